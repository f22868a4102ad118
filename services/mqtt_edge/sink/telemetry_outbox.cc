#include "services/mqtt_edge/sink/telemetry_outbox.h"

#include <string>

namespace fleetcast::mqtt_edge {
namespace {

std::optional<std::string> Copy(std::optional<std::string_view> text) {
  return text.has_value() ? std::optional<std::string>(*text) : std::nullopt;
}

TelemetryRecord ToRecord(SessionId session, std::string_view client_id, const TelemetryMessage& message) {
  TelemetryRecord record{.session = session,
                         .waits = message.waits,
                         .is_retained = message.is_retained,
                         .received = message.now,
                         .time = message.time,
                         .client_id = std::string(client_id),
                         .properties = std::string(message.properties),
                         .payload = std::string(message.payload),
                         .user_properties = {},
                         .content_type = Copy(message.level5.content_type),
                         .correlation_data = Copy(message.level5.correlation_data)};
  mqtt::UserProperties user = message.level5.user;
  for (mqtt::UserProperty property; user.Next(&property);) {
    mqtt::AppendUserProperty(property.name, property.value, &record.user_properties);
  }
  return record;
}

}  // namespace

SinkAnswer TelemetryOutbox::Add(SessionId session, std::string_view client_id, const TelemetryMessage& message) {
  if (bytes_max_ == 0) return SinkAnswer::kNoSink;
  if (bytes_ >= 2 * bytes_max_) return SinkAnswer::kRefused;
  gathered_.push_back(ToRecord(session, client_id, message));
  const size_t bytes = gathered_.back().bytes();
  bytes_ += bytes;
  metrics_.telemetry_waiting.Add();
  metrics_.telemetry_waiting_bytes.Add(static_cast<double>(bytes));
  if (bytes_ < bytes_max_) return SinkAnswer::kTaken;
  paused_.push_back(session);
  return SinkAnswer::kTakenLast;
}

void TelemetryOutbox::OnDelivered(const TelemetryDelivery& delivery) {
  bytes_ -= delivery.bytes;
  metrics_.telemetry_waiting.Add(-static_cast<double>(delivery.messages));
  metrics_.telemetry_waiting_bytes.Add(-static_cast<double>(delivery.bytes));
}

SessionId TelemetryOutbox::TakePaused() {
  const SessionId session = paused_.front();
  paused_.pop_front();
  return session;
}

}  // namespace fleetcast::mqtt_edge
