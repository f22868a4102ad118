#include "services/mqtt_edge/connection/level5.h"

#include <algorithm>

#include "libs/mqtt/codec.h"
#include "libs/mqtt/utf8.h"
#include "libs/telemetry/trace.h"

namespace fleetcast::mqtt_edge {

using mqtt::ReasonCode;

mqtt::ReasonCode ReadConnect(const mqtt::Connect& connect, Level5* level5) {
  const mqtt::ConnectProperties& properties = connect.properties;
  level5->packet_bytes_max = properties.packet_bytes_max.value_or(UINT32_MAX);
  level5->wants_reason_strings = properties.request_problem_information.value_or(true);
  const uint32_t session_expiry = properties.session_expiry_seconds.value_or(0);
  level5->session_expiry_seconds = std::min(session_expiry, kSessionExpiryMax);
  level5->is_session_expiry_cut = session_expiry > kSessionExpiryMax;
  level5->is_keep_alive_cut = connect.keep_alive_seconds == 0 || connect.keep_alive_seconds > kServerKeepAlive;
  level5->has_method = properties.authentication_method.has_value();
  if (level5->has_method && properties.authentication_method != kSasMethod) return ReasonCode::kBadAuthenticationMethod;
  if (level5->packet_bytes_max < kDevicePacketBytesMin) return ReasonCode::kImplementationSpecificError;
  if (!connect.will.has_value()) return ReasonCode::kSuccess;
  if (connect.will->retain) return ReasonCode::kRetainNotSupported;  // MQTT-3.2.2-13
  if (connect.will->qos > 1) return ReasonCode::kQosNotSupported;    // MQTT-3.2.2-12
  const bool is_bad_text = connect.will->properties.is_text.value_or(false) && !mqtt::IsUtf8(connect.will->payload);
  return is_bad_text ? ReasonCode::kPayloadFormatInvalid : ReasonCode::kSuccess;
}

bool TakeLastExpiry(const mqtt::Disconnect& disconnect, Level5* level5) {
  const std::optional<uint32_t> asked = disconnect.properties.session_expiry_seconds;
  if (level5->session_expiry_seconds == 0) return asked.value_or(0) == 0;
  if (!asked.has_value()) return true;
  const uint32_t granted = std::min(*asked, kSessionExpiryMax);
  if (granted != level5->session_expiry_seconds) level5->last_session_expiry_seconds = granted;
  return true;
}

mqtt::Connack AcceptingConnack(const Level5& level5, bool session_present, uint16_t receive_maximum) {
  mqtt::Connack connack{.session_present = session_present};
  mqtt::ConnackProperties& properties = connack.properties;
  if (level5.is_session_expiry_cut) properties.session_expiry_seconds = level5.session_expiry_seconds;
  if (level5.is_keep_alive_cut) properties.server_keep_alive_seconds = kServerKeepAlive;
  if (level5.has_method) properties.authentication_method = kSasMethod;  // MQTT-4.12.0-5
  properties.receive_maximum = receive_maximum;
  properties.maximum_qos = true;
  properties.retain_available = false;
  properties.packet_bytes_max = mqtt::kPacketBytesMax5;
  properties.topic_alias_maximum = TopicAliases::kAliasMax;
  properties.subscription_ids_available = false;
  properties.shared_available = false;
  return connack;
}

std::string TraceparentOf(mqtt::UserProperties user) {
  std::optional<std::string_view> found;
  for (mqtt::UserProperty property; user.Next(&property);) {
    if (property.name != kTraceparent) continue;
    if (found.has_value()) return "";
    found = property.value;
  }
  return found.has_value() ? telemetry::ToTraceparent(telemetry::ParseTraceparent(*found)) : "";
}

mqtt::ReasonCode ReasonOf(mqtt::ConnectCode code) {
  switch (code) {
    case mqtt::ConnectCode::kAccepted: return ReasonCode::kSuccess;
    case mqtt::ConnectCode::kUnacceptableLevel: return ReasonCode::kUnsupportedProtocolVersion;
    case mqtt::ConnectCode::kIdentifierRejected: return ReasonCode::kClientIdentifierNotValid;
    case mqtt::ConnectCode::kServerUnavailable: return ReasonCode::kServerUnavailable;
    case mqtt::ConnectCode::kBadCredentials: return ReasonCode::kBadUserNameOrPassword;
    case mqtt::ConnectCode::kNotAuthorized: return ReasonCode::kNotAuthorized;
  }
  return ReasonCode::kUnspecifiedError;
}

mqtt::ReasonCode ReasonOf(CloseReason reason) {
  switch (reason) {
    case CloseReason::kProtocol: return ReasonCode::kProtocolError;
    case CloseReason::kForbiddenTopic: return ReasonCode::kTopicNameInvalid;
    case CloseReason::kKeepAlive: return ReasonCode::kKeepAliveTimeout;
    case CloseReason::kTokenExpired: return ReasonCode::kMaximumConnectTime;
    case CloseReason::kTakenOver: return ReasonCode::kSessionTakenOver;
    case CloseReason::kDesiredGap: return ReasonCode::kImplementationSpecificError;
    case CloseReason::kSlow:
    case CloseReason::kBufferBudget: return ReasonCode::kQuotaExceeded;
    case CloseReason::kRateLimit: return ReasonCode::kMessageRateTooHigh;
    case CloseReason::kUnavailable: return ReasonCode::kServerBusy;
    case CloseReason::kDraining: return ReasonCode::kServerShuttingDown;
    case CloseReason::kRefused: return ReasonCode::kNotAuthorized;
    default: return ReasonCode::kUnspecifiedError;
  }
}

std::string_view ReasonString(CloseReason reason) {
  switch (reason) {
    case CloseReason::kForbiddenTopic: return "not among the topics of this device";
    case CloseReason::kTokenExpired: return "the token has expired";
    case CloseReason::kDesiredGap: return "a desired change is missing: read the twin again";
    case CloseReason::kSlow: return "the device does not take what it is sent";
    case CloseReason::kRefused: return "the new token was refused";
    default: return "";
  }
}

mqtt::ReasonCode RefusalOf(std::string_view topic, mqtt::ReasonCode invalid) {
  return topic.substr(0, 8) == "devices/" ? ReasonCode::kNotAuthorized : invalid;
}

}  // namespace fleetcast::mqtt_edge
