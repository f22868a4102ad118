// What a connection does at MQTT 5 only: reasons, and a token that is renewed without a new connection.
#include <utility>

#include "libs/mqtt/utf8.h"
#include "services/mqtt_edge/connection/connection.h"

namespace fleetcast::mqtt_edge {

void Connection::RefuseWith(CloseReason reason, mqtt::ReasonCode code, Turn& turn) {
  mqtt::Encode(mqtt::Connack{.reason = code}, turn.output, mqtt::kLevel5);
  turn.metrics->CountConnack(code);
  Close(reason, turn);
}

// Who said goodbye, or is gone, is told nothing (MQTT-3.14.4-1).
void Connection::SayDisconnect(CloseReason reason, mqtt::ReasonCode code, Turn& turn) {
  if (reason == CloseReason::kDisconnect || reason == CloseReason::kPeerGone) return;
  mqtt::Disconnect disconnect{.reason = code};
  const std::string_view text = ReasonString(reason);
  if (level5_->wants_reason_strings && !text.empty()) disconnect.properties.reason_string = text;
  mqtt::Encode(disconnect, turn.output, mqtt::kLevel5);
}

bool Connection::FitsDevice(size_t begin, Turn& turn) {
  if (!is_level5() || turn.output->size() - begin <= level5_->packet_bytes_max) return true;
  turn.output->resize(begin);
  turn.metrics->CountDropped(Dropped::kOversizePacket);
  return false;
}

// The one use of AUTH here is a new token (MQTT-4.12.1-1): the hub asks nothing that could be continued.
void Connection::HandleAuth(const mqtt::Auth& auth, Turn& turn) {
  using mqtt::ReasonCode;
  const bool may_renew = level5_->has_method && !level5_->renewal.has_value();
  if (!may_renew || auth.reason != ReasonCode::kReauthenticate) {
    return CloseWith(CloseReason::kProtocol, ReasonCode::kProtocolError, turn);
  }
  if (auth.properties.method != kSasMethod) {
    return CloseWith(CloseReason::kProtocol, ReasonCode::kBadAuthenticationMethod, turn);
  }
  const std::string_view token = auth.properties.data.value_or("");
  if (!mqtt::IsMqttText(token)) return Close(CloseReason::kRefused, turn);  // As in CONNECT.
  level5_->renewal =
      Level5::Renewal{.token = std::string(token), .is_sent = false, .deadline = turn.now + limits_.request_timeout};
  if (link_ == kNoLink) link_ = turn.effects->PickLink(device_id_);
  if (link_ != kNoLink) SendRenewal(turn);
}

void Connection::SendRenewal(Turn& turn) {
  if (!is_level5() || !level5_->renewal.has_value() || level5_->renewal->is_sent) return;
  level5_->renewal->is_sent = true;
  turn.effects->OpenSession(link_, {.client_id = device_id_,
                                    .host = level5_->host,
                                    .device_id = device_id_,
                                    .password = level5_->renewal->token,
                                    .clean_session = false,
                                    .api_version = {},
                                    .product_info = {},
                                    .model_id = {},
                                    .renewed_epoch = epoch_});
}

void Connection::OnRenewalResult(const OpenResult& result, Turn& turn) {
  const bool is_mine = level5_->renewal.has_value() && level5_->renewal->is_sent && result.epoch == epoch_;
  if (!is_mine) return turn.metrics->CountDropped(Dropped::kStaleResult);
  level5_->renewal.reset();
  if (result.code == mqtt::ConnectCode::kServerUnavailable) return Close(CloseReason::kUnavailable, turn);
  if (result.code != mqtt::ConnectCode::kAccepted) return Close(CloseReason::kRefused, turn);  // MQTT-4.12.1-2
  credential_ = result.credential;
  if (result.token_expiry.has_value()) ExpectTokenEnd(*result.token_expiry, turn);
  mqtt::Encode(mqtt::Auth{mqtt::ReasonCode::kSuccess, {.method = kSasMethod}}, turn.output);
  CountMessage(turn);
}

}  // namespace fleetcast::mqtt_edge
