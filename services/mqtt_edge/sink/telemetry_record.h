// A telemetry message on its way from a loop to Redis.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "services/mqtt_edge/connection/effects.h"

namespace fleetcast::mqtt_edge {

// Owns its texts. What they mean is read when the entry is made (stream_entry.h), not in the loop.
struct TelemetryRecord {
  SessionId session = 0;  // Whose; its loop hears when the record is delivered.
  bool waits = false;     // For its PUBACK.
  bool is_retained = false;
  absl::Duration received;  // Monotonic.
  absl::Time time;          // The same for people.
  std::string client_id;    // `device`, or `device/module`.
  std::string properties;   // The property bag, percent-encoded and well-formed.
  std::string payload;
  std::string user_properties;  // Of MQTT 5, as mqtt::AppendUserProperty encodes them.
  std::optional<std::string> content_type;
  std::optional<std::string> correlation_data;

  // The memory that it takes, more or less.
  size_t bytes() const {
    return sizeof(TelemetryRecord) + client_id.size() + properties.size() + payload.size() + user_properties.size() +
           (content_type ? content_type->size() : 0) + (correlation_data ? correlation_data->size() : 0);
  }
};

}  // namespace fleetcast::mqtt_edge
