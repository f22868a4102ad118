#include "services/device_connection/session_expiry.h"

namespace fleetcast::device_connection {

bool MayBeOver(const internal::v1::DeviceRecord& record, absl::Time now) {
  const int64_t end = record.session_end_unix_seconds();
  return record.has_session() && end != 0 && now >= absl::FromUnixSeconds(end);
}

bool IsOver(const internal::v1::DeviceRecord& record, int64_t last_epoch, absl::Time now) {
  return MayBeOver(record, now) && record.presence_epoch() >= last_epoch;
}

}  // namespace fleetcast::device_connection
