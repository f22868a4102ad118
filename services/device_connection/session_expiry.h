// When a stored session is over (MQTT 5, Session Expiry Interval; device-mqtt.md 7.3). Nothing happens at that moment:
// it is found out when the device comes back. Pure.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "fleetcast/internal/v1/device_record.pb.h"
#include "services/device_connection/session_entry.h"

namespace fleetcast::device_connection {

// Whether what `record` stores of a session may be over at `now`.
bool MayBeOver(const internal::v1::DeviceRecord& record, absl::Time now);

// Whether it is. `last_epoch`: of the newest session that the directory knows to have been; 0 = it knows none. Presence
// is noted a moment after it changes: while that of the newest session is not noted, its end was just now.
bool IsOver(const internal::v1::DeviceRecord& record, int64_t last_epoch, absl::Time now);

// What a directory's entry says of a session that is stored. One that ends some day is not taken on the entry's word:
// only the registry can tell whether it is over.
constexpr Stored StoredFor(uint32_t session_expiry_seconds) {
  return session_expiry_seconds > 0 ? Stored::kUnknown : Stored::kYes;
}

}  // namespace fleetcast::device_connection
