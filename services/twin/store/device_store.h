// The registry in PostgreSQL: which devices and modules exist, with which credentials. One at a time; many:
// registry_batch.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/model/etag.h"
#include "libs/model/ids.h"
#include "libs/postgres/pool.h"
#include "services/twin/store/device_rows.h"

namespace fleetcast::twin {

struct DeviceCounts {
  int64_t total = 0;
  int64_t disabled = 0;
  int64_t connected = 0;
};

inline constexpr size_t kDevicesPerBatchMax = 1000;

// Thread-safe. Errors: those of identity_writer.h and of libs/postgres. Every change also tells device_connection, in
// the same transaction.
class DeviceStore {
 public:
  explicit DeviceStore(postgres::Pool& pool) : pool_(pool) {}

  // Creates the devices that do not exist yet, with their twins; ids must be unique, at most kDevicesPerBatchMax. Gives
  // the rows that were created, in order of id.
  absl::StatusOr<std::vector<DeviceRow>> Create(absl::Time deadline, const std::vector<NewDevice>& devices);

  // Creates one module. NOT_FOUND when its device does not exist.
  absl::StatusOr<DeviceRow> CreateModule(absl::Time deadline, const NewDevice& module);

  absl::StatusOr<DeviceRow> Get(absl::Time deadline, const Identity& identity);
  absl::StatusOr<DeviceRow> Get(absl::Time deadline, std::string_view device_id) {
    return Get(deadline, Identity{std::string(device_id), ""});
  }

  // Devices in order of id, after `after`.
  absl::StatusOr<std::vector<DeviceRow>> List(absl::Time deadline, std::string_view after, int limit);

  // The modules of a device in order of id. NOT_FOUND when the device does not exist.
  absl::StatusOr<std::vector<DeviceRow>> ListModules(absl::Time deadline, const std::string& device_id);

  // Replaces the settings of a device or module.
  absl::StatusOr<DeviceRow> Update(absl::Time deadline, const DeviceSettings& settings, const EtagCondition& condition);

  // Removes a device, its modules and their twins; or one module and its twin.
  absl::Status Delete(absl::Time deadline, const Identity& identity, const EtagCondition& condition);
  absl::Status Delete(absl::Time deadline, std::string_view device_id, const EtagCondition& condition) {
    return Delete(deadline, Identity{std::string(device_id), ""}, condition);
  }

  absl::StatusOr<DeviceCounts> Count(absl::Time deadline);

 private:
  postgres::Pool& pool_;
};

// NOT_FOUND for a device.
absl::Status DeviceNotFound(std::string_view device_id);
// ABORTED: the etag does not match.
absl::Status EtagMismatch(std::string_view device_id);

}  // namespace fleetcast::twin
