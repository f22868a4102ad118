// The registry in PostgreSQL: which devices exist, with which credentials.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/model/etag.h"
#include "libs/postgres/pool.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {

// What a client decides about a device. Checked by device_settings.h.
struct DeviceSettings {
  std::string device_id;
  bool is_disabled = false;
  std::string status_reason;        // Empty = none, as with all texts here.
  int16_t authentication_type = 1;  // registry.v1.Device.AuthenticationType
  std::string primary_key;          // Base64.
  std::string secondary_key;
  std::string primary_thumbprint;
  std::string secondary_thumbprint;
  bool is_iot_edge = false;
};

// A device as it is stored.
struct DeviceRow {
  DeviceSettings settings;
  int64_t generation_id = 0;
  int64_t etag = 0;
  bool is_connected = false;
  std::optional<absl::Time> connection_state_update_time;
  std::optional<absl::Time> status_update_time;
  std::optional<absl::Time> last_activity_time;
  absl::Time create_time;
};

struct DeviceCounts {
  int64_t total = 0;
  int64_t disabled = 0;
  int64_t connected = 0;
};

// A device to be created, with its first twin.
struct NewDevice {
  DeviceSettings settings;
  TwinState twin;
};

inline constexpr size_t kDevicesPerBatchMax = 1000;

// Thread-safe. Errors: NOT_FOUND (DEVICE_NOT_FOUND), ALREADY_EXISTS (DEVICE_ALREADY_EXISTS), ABORTED (ETAG_MISMATCH),
// and those of libs/postgres. Every change of a device also tells device_connection, in the same transaction.
class DeviceStore {
 public:
  explicit DeviceStore(postgres::Pool& pool) : pool_(pool) {}

  // Creates the devices that do not exist yet, with their twins; ids must be unique, at most kDevicesPerBatchMax. Gives
  // the rows that were created, in order of id.
  absl::StatusOr<std::vector<DeviceRow>> Create(absl::Time deadline, const std::vector<NewDevice>& devices);

  absl::StatusOr<DeviceRow> Get(absl::Time deadline, std::string_view device_id);

  // Devices in order of id, after `after`.
  absl::StatusOr<std::vector<DeviceRow>> List(absl::Time deadline, std::string_view after, int limit);

  // Replaces the settings of a device.
  absl::StatusOr<DeviceRow> Update(absl::Time deadline, const DeviceSettings& settings, const EtagCondition& condition);

  // Removes a device and its twin.
  absl::Status Delete(absl::Time deadline, std::string_view device_id, const EtagCondition& condition);

  absl::StatusOr<DeviceCounts> Count(absl::Time deadline);

 private:
  postgres::Pool& pool_;
};

// NOT_FOUND for a device.
absl::Status DeviceNotFound(std::string_view device_id);
// ALREADY_EXISTS for a device.
absl::Status DeviceAlreadyExists(std::string_view device_id);
// ABORTED: the etag does not match.
absl::Status EtagMismatch(std::string_view device_id);

}  // namespace fleetcast::twin
