// What device_connection needs of devices, in batches: credentials, stored subscriptions, presence, session generation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/model/ids.h"
#include "libs/postgres/pool.h"
#include "services/twin/store/device_rows.h"

namespace fleetcast::twin {

struct DeviceRecordRow {
  Identity identity;
  int64_t generation_id = 0;
  bool is_disabled = false;
  int16_t authentication_type = 1;
  StoredKeys keys;
  std::string primary_thumbprint;
  std::string secondary_thumbprint;
  int32_t subscriptions = 0;
  bool has_session = false;
  int64_t desired_version = 0;
  int32_t session_expiry_seconds = 0;    // 0 = kept for ever.
  int64_t session_end_unix_seconds = 0;  // 0 = never, or it is connected.
  int64_t presence_epoch = 0;            // Of the session from whose end that counts.
};

struct SubscriptionsChange {
  std::string device_id;
  int32_t subscriptions = 0;
  bool is_deletion = false;
  int64_t session_epoch = 0;
  int32_t session_expiry_seconds = 0;
};

struct PresenceRow {
  std::string device_id;
  int64_t session_epoch = 0;
  bool is_connected = false;
  absl::Time activity;
  bool is_activity_only = false;
};

struct DeviceTwinRow {
  std::string device_id;
  std::string document;  // As devices see it.
  int64_t desired_version = 0;
};

// Thread-safe. `device_id` is the text of an Identity here: a device, or "device/module". Batches may name one several
// times; the last change of the highest epoch counts.
class RecordStore {
 public:
  explicit RecordStore(postgres::Pool& pool) : pool_(pool) {}

  // The records of `device_ids` that exist, in no particular order.
  absl::StatusOr<std::vector<DeviceRecordRow>> Lookup(absl::Time deadline, const std::vector<std::string>& device_ids);

  // Stores subscriptions unless a newer session stored some. Gives the desired versions of the changed devices,
  // parallel to `changes`; 0 = unknown device.
  absl::StatusOr<std::vector<int64_t>> SaveSubscriptions(absl::Time deadline,
                                                         const std::vector<SubscriptionsChange>& changes);

  // The twins of `device_ids` that exist, in no particular order.
  absl::StatusOr<std::vector<DeviceTwinRow>> ReadTwins(absl::Time deadline, const std::vector<std::string>& device_ids);

  // Notes who is connected; changes of older sessions are ignored.
  absl::Status RecordPresence(absl::Time deadline, const std::vector<PresenceRow>& changes);

  // Raises the generation to one above `seen`, unless somebody did already; gives the current one.
  absl::StatusOr<int64_t> RaiseGeneration(absl::Time deadline, int64_t seen);

 private:
  postgres::Pool& pool_;
};

}  // namespace fleetcast::twin
