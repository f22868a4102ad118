// The topic aliases that one device of MQTT 5 has set on its connection (MQTT 5, 3.3.2.3.4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/mqtt/reason.h"

namespace fleetcast::mqtt_edge {

// Ends with its connection (MQTT-3.3.2-7). Bounded: kAliasMax topics of together kBytesMax bytes. Pure; not
// thread-safe.
class TopicAliases {
 public:
  // Gives a PUBLISH its topic: sets the alias if there is a topic with one, looks it up if there is none; the view
  // lives until the alias is set again. Failures, each of which ends the connection: Topic Alias invalid (0, or above
  // the maximum), Protocol Error (an alias that stands for nothing), Quota exceeded.
  mqtt::ReasonCode Resolve(std::optional<uint16_t> alias, std::string_view* topic);

  static constexpr uint16_t kAliasMax = 16;               // Told in CONNACK [device-mqtt.md 7.3].
  static constexpr size_t kBytesMax = size_t{16} * 1024;  // The topics that are worth an alias are short.

 private:
  std::vector<std::string> topics_;  // By alias - 1; empty: not set.
  size_t bytes_ = 0;
};

}  // namespace fleetcast::mqtt_edge
