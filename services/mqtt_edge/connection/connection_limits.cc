// What one device may send, and how often (device-mqtt.md 6.2): whoever sends more is read more slowly, so that it is
// its own time that passes.
#include <algorithm>

#include "services/mqtt_edge/connection/connection.h"

namespace fleetcast::mqtt_edge {

void Connection::Throttle(absl::Duration wait, Limited limit, Turn& turn) {
  if (wait <= absl::ZeroDuration() || is_closed()) return;
  turn.metrics->CountLimited(limit);
  read_again_at_ = is_throttled() ? std::max(read_again_at_, turn.now + wait) : turn.now + wait;
}

void Connection::MeterBytes(size_t bytes, Turn& turn) {
  if (state_ != State::kConnected) return;  // Before that one CONNECT is all there may be.
  Throttle(bytes_.Take(limits_.bytes, turn.now, static_cast<double>(bytes)), Limited::kBytes, turn);
}

void Connection::MeterMessage(Turn& turn) {
  if (state_ != State::kConnected) return;
  Throttle(messages_.Take(limits_.messages, turn.now), Limited::kMessages, turn);
}

bool Connection::TrySubscribe(Turn& turn) {
  if (subscribes_.TryTake(limits_.subscribes, turn.now)) return true;
  turn.metrics->CountLimited(Limited::kSubscribes);
  Close(CloseReason::kRateLimit, turn);
  return false;
}

bool Connection::TryTwinRequest(TwinRequest& request, Turn& turn) {
  const auto wait = twins_.TryReserve(limits_.twin_requests, turn.now, limits_.twin_wait_max);
  if (!wait.has_value()) {
    turn.metrics->CountLimited(Limited::kTwinRefused);
    AnswerTwinError(request, 429, "The device asks for its twin more often than it may.", turn);
    return false;
  }
  if (*wait > absl::ZeroDuration()) turn.metrics->CountLimited(Limited::kTwinShaped);
  request.due = turn.now + *wait;
  request.deadline = request.due + limits_.request_timeout;
  return true;
}

bool Connection::HasRoomForTwinRequests() const {
  if (twin_requests_.size() >= limits_.requests_max) return false;
  size_t bytes = 0;
  for (const TwinRequest& request : twin_requests_) bytes += request.patch.size();
  return bytes < limits_.waiting_patch_bytes_max;
}

size_t Connection::buffered_bytes() const {
  size_t bytes = held_.size() + reader_.partial_bytes();
  for (const TwinRequest& request : twin_requests_) bytes += request.patch.size();
  for (const QueuedCall& queued : queued_calls_) bytes += queued.payload.size();
  return bytes;
}

}  // namespace fleetcast::mqtt_edge
