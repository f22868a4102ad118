// CONNECT: from the packet to CONNACK.
#include <utility>

#include "libs/mqtt/username.h"
#include "libs/mqtt/utf8.h"
#include "services/mqtt_edge/connection.h"

namespace fleetcast::mqtt_edge {
namespace {

// What the edge can say about a CONNECT by itself (device-mqtt.md 2.9); kAccepted: ask device_connection.
mqtt::ConnectCode CheckConnect(const mqtt::Connect& connect, const std::optional<mqtt::Username>& username) {
  using mqtt::ConnectCode;
  if (connect.client_id.empty()) return ConnectCode::kIdentifierRejected;  // D-CID-4
  if (!username.has_value()) return ConnectCode::kBadCredentials;          // D-USR-4
  // Any bytes to MQTT, but no token; and what is no text would end the stream to device_connection, which all share.
  if (!mqtt::IsMqttText(connect.password.value_or(""))) return ConnectCode::kBadCredentials;
  std::string identity = username->device_id;
  if (!username->module_id.empty()) identity.append("/").append(username->module_id);
  if (connect.client_id != identity) return ConnectCode::kIdentifierRejected;  // D-CID-1
  if (!mqtt::IsUsableId(username->device_id)) return ConnectCode::kIdentifierRejected;
  if (!username->module_id.empty()) return ConnectCode::kNotAuthorized;  // There are no modules to connect as.
  if (connect.will.has_value()) {
    const mqtt::DeviceTopic topic = mqtt::ParseDeviceTopic(connect.will->topic, username->device_id);
    if (topic.kind != mqtt::DeviceTopic::Kind::kTelemetry) return ConnectCode::kNotAuthorized;
  }
  return ConnectCode::kAccepted;
}

}  // namespace

void Connection::HandleConnect(const mqtt::Connect& connect, Turn& turn) {
  if (connect.level == mqtt::kLevel5) {
    mqtt::Encode(mqtt::Connack{.reason = mqtt::ReasonCode::kUnsupportedProtocolVersion}, turn.output, mqtt::kLevel5);
    turn.metrics->connack[1].Add();
    return Close(CloseReason::kRefused, turn);
  }
  if (connect.level != mqtt::kLevel311) return Refuse(mqtt::ConnectCode::kUnacceptableLevel, turn);
  std::optional<mqtt::Username> username;
  if (connect.username.has_value()) username = mqtt::ParseUsername(*connect.username);
  const mqtt::ConnectCode code = CheckConnect(connect, username);
  if (code != mqtt::ConnectCode::kAccepted) return Refuse(code, turn);

  device_id_ = std::move(username->device_id);
  clean_session_ = connect.clean_session;
  has_will_ = connect.will.has_value();
  const absl::Duration asked = absl::Seconds(connect.keep_alive_seconds) * 1.5;
  keep_alive_ = connect.keep_alive_seconds == 0 ? limits_.keep_alive_max : std::min(asked, limits_.keep_alive_max);
  link_ = turn.effects->PickLink(device_id_);
  if (link_ == kNoLink) return Refuse(mqtt::ConnectCode::kServerUnavailable, turn);
  state_ = State::kAuthenticating;
  connect_deadline_ = turn.now + limits_.open_timeout;
  turn.effects->OpenSession(link_, {.client_id = connect.client_id,
                                    .host = username->host,
                                    .device_id = device_id_,
                                    .password = connect.password.value_or(""),
                                    .clean_session = clean_session_,
                                    .api_version = username->api_version,
                                    .product_info = username->product_info,
                                    .model_id = username->model_id});
}

void Connection::Refuse(mqtt::ConnectCode code, Turn& turn) {
  mqtt::Encode(mqtt::Connack{false, code}, turn.output);
  turn.metrics->connack[static_cast<int>(code)].Add();
  Close(CloseReason::kRefused, turn);
}

void Connection::OnOpenResult(const OpenResult& result, Turn& turn) {
  if (state_ != State::kAuthenticating) return;
  if (result.code != mqtt::ConnectCode::kAccepted) {
    link_ = kNoLink;  // Nothing is open there.
    return Refuse(result.code, turn);
  }
  Accept(result, turn);
  if (result.epoch <= fenced_epoch_) return Close(CloseReason::kTakenOver, turn);
  ReadHeld(turn);
}

void Connection::Accept(const OpenResult& result, Turn& turn) {
  state_ = State::kConnected;
  epoch_ = result.epoch;
  connect_time_ = turn.wall;
  subscriptions_ = wanted_ = clean_session_ ? 0 : result.subscriptions;
  if ((subscriptions_ & kDesiredBit) != 0) desired_.Resume();
  ExtendKeepAlive(turn.now);
  if (result.token_expiry.has_value()) {
    // 90 % to 110 % of the grace, so that a fleet that connected together does not leave together.
    const double share = 0.9 + 0.2 * static_cast<double>(turn.random->Below(1001)) / 1000;
    token_deadline_ = turn.now + (*result.token_expiry - turn.wall) + limits_.token_grace * share;
  }
  mqtt::Encode(mqtt::Connack{result.session_present && !clean_session_, mqtt::ConnectCode::kAccepted}, turn.output);
  turn.metrics->connack[0].Add();
  turn.metrics->sessions.Add();
}

}  // namespace fleetcast::mqtt_edge
