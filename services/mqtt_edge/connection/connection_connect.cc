// CONNECT: from the packet to CONNACK.
#include <utility>

#include "libs/mqtt/username.h"
#include "libs/mqtt/utf8.h"
#include "services/mqtt_edge/connection/connection.h"

namespace fleetcast::mqtt_edge {
namespace {

// What the edge can say about a CONNECT by itself (device-mqtt.md 2.9); kAccepted: ask device_connection.
mqtt::ConnectCode CheckConnect(const mqtt::Connect& connect, const std::optional<mqtt::Username>& username,
                               std::string_view token) {
  using mqtt::ConnectCode;
  if (connect.client_id.empty()) return ConnectCode::kIdentifierRejected;  // D-CID-4
  if (!username.has_value()) return ConnectCode::kBadCredentials;          // D-USR-4
  // Any bytes to MQTT, but no token; and what is no text would end the stream to device_connection, which all share.
  if (!mqtt::IsMqttText(token)) return ConnectCode::kBadCredentials;
  if (connect.client_id != mqtt::ClientIdOf(*username)) return ConnectCode::kIdentifierRejected;  // D-CID-1
  if (!mqtt::IsUsableId(username->device_id)) return ConnectCode::kIdentifierRejected;
  const bool is_module = !username->module_id.empty();
  if (is_module && !mqtt::IsUsableId(username->module_id)) return ConnectCode::kIdentifierRejected;
  if (connect.will.has_value()) {
    const mqtt::DeviceTopic topic = mqtt::ParseDeviceTopic(connect.will->topic, connect.client_id);
    if (topic.kind != mqtt::DeviceTopic::Kind::kTelemetry) return ConnectCode::kNotAuthorized;
  }
  return ConnectCode::kAccepted;
}

}  // namespace

void Connection::HandleConnect(const mqtt::Connect& connect, Turn& turn) {
  if (connect.level == mqtt::kLevel5) {
    level5_ = std::make_unique<Level5>();
    const mqtt::ReasonCode reason = ReadConnect(connect, level5_.get());
    if (mqtt::IsFailure(reason)) return RefuseWith(CloseReason::kRefused, reason, turn);
  } else if (connect.level != mqtt::kLevel311) {
    return Refuse(mqtt::ConnectCode::kUnacceptableLevel, turn);
  }
  if (is_late_) return RefuseBusy(turn);
  std::optional<mqtt::Username> username;
  if (connect.username.has_value()) username = mqtt::ParseUsername(*connect.username);
  // With an authentication method the token is its data.
  const std::string_view token = connect.properties.authentication_data.value_or(connect.password.value_or(""));
  const mqtt::ConnectCode code = CheckConnect(connect, username, token);
  if (code != mqtt::ConnectCode::kAccepted) return Refuse(code, turn);

  device_id_ = connect.client_id;
  clean_session_ = connect.clean_session;
  is_durable_ = is_level5() ? level5_->session_expiry_seconds > 0 : !clean_session_;
  has_will_ = connect.will.has_value();
  if (is_level5() && level5_->has_method) level5_->host = username->host;
  const bool is_cut = is_level5() && level5_->is_keep_alive_cut;
  const uint16_t seconds = is_cut ? kServerKeepAlive : connect.keep_alive_seconds;
  keep_alive_ = seconds == 0 ? limits_.keep_alive_max : std::min(absl::Seconds(seconds) * 1.5, limits_.keep_alive_max);
  link_ = turn.effects->PickLink(device_id_);
  if (link_ == kNoLink) return Refuse(mqtt::ConnectCode::kServerUnavailable, turn);
  state_ = State::kAuthenticating;
  connect_deadline_ = turn.now + limits_.open_timeout;
  turn.effects->OpenSession(link_, {.client_id = connect.client_id,
                                    .host = username->host,
                                    .device_id = device_id_,
                                    .password = token,
                                    .clean_session = clean_session_,
                                    .api_version = username->api_version,
                                    .product_info = username->product_info,
                                    .model_id = username->model_id,
                                    .ends_with_connection = !is_durable_ && !clean_session_,
                                    .session_expiry_seconds = session_expiry_seconds()});
}

void Connection::RefuseBusy(Turn& turn) {
  if (is_level5()) return RefuseWith(CloseReason::kRefused, mqtt::ReasonCode::kServerBusy, turn);
  Refuse(mqtt::ConnectCode::kServerUnavailable, turn);
}

void Connection::Refuse(mqtt::ConnectCode code, Turn& turn) {
  if (is_level5()) return RefuseWith(CloseReason::kRefused, ReasonOf(code), turn);
  mqtt::Encode(mqtt::Connack{false, code}, turn.output);
  turn.metrics->connack[static_cast<int>(code)].Add();
  Close(CloseReason::kRefused, turn);
}

void Connection::OnOpenResult(const OpenResult& result, Turn& turn) {
  if (state_ == State::kConnected && is_level5()) return OnRenewalResult(result, turn);
  if (state_ != State::kAuthenticating) return;
  if (result.code != mqtt::ConnectCode::kAccepted) {
    link_ = kNoLink;  // Nothing is open there.
    if (result.hold <= absl::ZeroDuration()) return Refuse(result.code, turn);
    state_ = State::kRefused;
    refusal_ = result.code;
    connect_deadline_ = turn.now + result.hold;
    std::string().swap(held_);  // MQTT-3.1.4-5
    return;
  }
  Accept(result, turn);
  if (result.epoch <= fenced_epoch_) return Close(CloseReason::kTakenOver, turn);
  ReadHeld(turn);
}

void Connection::Accept(const OpenResult& result, Turn& turn) {
  state_ = State::kConnected;
  epoch_ = result.epoch;
  credential_ = result.credential;
  connect_time_ = turn.wall;
  subscriptions_ = wanted_ = clean_session_ ? 0 : result.subscriptions;
  if ((subscriptions_ & kDesiredBit) != 0) desired_.Resume();
  ExtendKeepAlive(turn.now);
  if (result.token_expiry.has_value()) ExpectTokenEnd(*result.token_expiry, turn);
  const bool session_present = result.session_present && !clean_session_;
  if (is_level5()) {
    const auto receive_maximum = static_cast<uint16_t>(limits_.pubacks_max);
    mqtt::Encode(AcceptingConnack(*level5_, session_present, receive_maximum), turn.output, mqtt::kLevel5);
  } else {
    mqtt::Encode(mqtt::Connack{session_present, mqtt::ConnectCode::kAccepted}, turn.output);
  }
  turn.metrics->connack[0].Add();
  turn.metrics->sessions.Add();
}

void Connection::ExpectTokenEnd(absl::Time expiry, Turn& turn) {
  // 90 % to 110 % of the grace, so that a fleet that connected together does not leave together.
  const double share = 0.9 + 0.2 * static_cast<double>(turn.random->Below(1001)) / 1000;
  token_deadline_ = turn.now + (expiry - turn.wall) + limits_.token_grace * share;
}

}  // namespace fleetcast::mqtt_edge
