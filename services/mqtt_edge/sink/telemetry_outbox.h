// One loop's share of the telemetry sink: what it has gathered in this turn, how much of it waits, and who must wait.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "services/mqtt_edge/connection/effects.h"
#include "services/mqtt_edge/edge_metrics.h"
#include "services/mqtt_edge/sink/telemetry_record.h"

namespace fleetcast::mqtt_edge {

// What the sink tells a loop about records of its sessions.
struct TelemetryDelivery {
  size_t messages = 0;
  size_t bytes = 0;  // As TelemetryRecord::bytes counted them.
  // How many of the messages that wait, by session; in the order of the messages, so one may come several times.
  std::vector<std::pair<SessionId, size_t>> waiting;
};

// Bounds the memory of telemetry that is not delivered: at `bytes_max` whoever sends more is paused after that message,
// at twice as much nothing is taken. Pure; belongs to a loop.
class TelemetryOutbox {
 public:
  // 0: there is no sink, and nothing is ever taken.
  TelemetryOutbox(size_t bytes_max, const EdgeMetrics& metrics) : bytes_max_(bytes_max), metrics_(metrics) {}

  SinkAnswer Add(SessionId session, std::string_view client_id, const TelemetryMessage& message);

  bool has_gathered() const { return !gathered_.empty(); }
  // What was added since the last call, in order.
  std::vector<TelemetryRecord> Take() { return std::exchange(gathered_, {}); }

  void OnDelivered(const TelemetryDelivery& delivery);

  // Whether there is room for somebody who was paused.
  bool can_resume() const { return !paused_.empty() && bytes_ < bytes_max_; }
  // Who has been paused for longest; it is not any more. Only if can_resume().
  SessionId TakePaused();

 private:
  const size_t bytes_max_;
  const EdgeMetrics& metrics_;
  size_t bytes_ = 0;  // Of all that is not delivered.
  std::vector<TelemetryRecord> gathered_;
  std::deque<SessionId> paused_;  // Some may have ended meanwhile.
};

}  // namespace fleetcast::mqtt_edge
