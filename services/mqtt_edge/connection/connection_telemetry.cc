// Telemetry: handed to the sink, and acknowledged when the sink has delivered it.
#include <utility>

#include "services/mqtt_edge/connection/connection.h"

namespace fleetcast::mqtt_edge {

void Connection::HandleTelemetry(const mqtt::DeviceTopic& topic, const mqtt::Publish& publish, Turn& turn) {
  turn.metrics->telemetry_received.Add();
  const bool waits = publish.qos == 1;
  const SinkAnswer answer = turn.effects->PassTelemetry({.now = turn.now,
                                                         .time = turn.wall,
                                                         .properties = topic.properties,
                                                         .payload = publish.payload,
                                                         .is_retained = publish.retain,
                                                         .waits = waits,
                                                         .level5 = publish.properties});
  switch (answer) {
    case SinkAnswer::kNoSink:
      turn.metrics->CountDropped(Dropped::kTelemetry);
      if (waits) SendPuback(publish.packet_id, turn);
      return;
    case SinkAnswer::kRefused:
      turn.metrics->CountDropped(Dropped::kTelemetryOverflow);
      // Without its PUBACK the device sends the message again when it has come back.
      if (waits) Close(CloseReason::kUnavailable, turn);
      return;
    case SinkAnswer::kTakenLast:
      awaits_room_ = true;
      turn.metrics->telemetry_paused.Add();
      break;
    case SinkAnswer::kTaken: break;
  }
  if (waits) pubacks_.AddUndelivered(publish.packet_id);
}

void Connection::OnTelemetryDelivered(size_t count, Turn& turn) {
  if (state_ != State::kConnected) return;
  pubacks_.ReleaseDelivered(count);
  WritePubacks(turn);
  ReadHeld(turn);
}

void Connection::OnTelemetryRoom(Turn& turn) {
  if (!std::exchange(awaits_room_, false)) return;
  turn.metrics->telemetry_paused.Add(-1);
  ReadHeld(turn);
}

}  // namespace fleetcast::mqtt_edge
