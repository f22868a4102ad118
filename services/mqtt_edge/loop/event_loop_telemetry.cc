// Between a loop and the telemetry sink: messages of connections are gathered for the turn, deliveries release PUBACKs.
#include <utility>

#include "services/mqtt_edge/loop/event_loop.h"

namespace fleetcast::mqtt_edge {
namespace {

// Each may read a good deal before it learns that the sink is full again.
constexpr int kResumedPerTurn = 64;

}  // namespace

SinkAnswer EventLoop::PassTelemetry(const TelemetryMessage& message) {
  return telemetry_.Add(current_->session, current_->connection.device_id(), message);
}

void EventLoop::PostDelivered(TelemetryDelivery delivery) { Post(std::move(delivery), false); }

void EventLoop::Handle(const TelemetryDelivery& delivery) {
  telemetry_.OnDelivered(delivery);
  for (const auto& [session, count] : delivery.waiting) {
    Client* client = Find(session);
    if (client == nullptr) continue;
    With(*client,
         [count = count](Connection& connection, Turn& turn) { connection.OnTelemetryDelivered(count, turn); });
  }
}

void EventLoop::SubmitTelemetry() {
  for (int i = 0; i < kResumedPerTurn && telemetry_.can_resume(); ++i) {
    Client* client = Find(telemetry_.TakePaused());
    if (client == nullptr) continue;
    With(*client, [](Connection& connection, Turn& turn) { connection.OnTelemetryRoom(turn); });
  }
  if (telemetry_.has_gathered()) options_.telemetry_sink->Submit(telemetry_.Take());
}

}  // namespace fleetcast::mqtt_edge
