#include "libs/mqtt/reason.h"

#include <algorithm>
#include <initializer_list>

#include "libs/mqtt/packet.h"

namespace fleetcast::mqtt {
namespace {

using enum ReasonCode;

bool IsAmong(ReasonCode reason, std::initializer_list<ReasonCode> codes) {
  return std::find(codes.begin(), codes.end(), reason) != codes.end();
}

bool IsConnackReason(ReasonCode reason) {
  return IsAmong(reason, {kSuccess,
                          kUnspecifiedError,
                          kMalformedPacket,
                          kProtocolError,
                          kImplementationSpecificError,
                          kUnsupportedProtocolVersion,
                          kClientIdentifierNotValid,
                          kBadUserNameOrPassword,
                          kNotAuthorized,
                          kServerUnavailable,
                          kServerBusy,
                          kBanned,
                          kBadAuthenticationMethod,
                          kTopicNameInvalid,
                          kPacketTooLarge,
                          kQuotaExceeded,
                          kPayloadFormatInvalid,
                          kRetainNotSupported,
                          kQosNotSupported,
                          kUseAnotherServer,
                          kServerMoved,
                          kConnectionRateExceeded});
}

bool IsDisconnectReason(ReasonCode reason) {
  return IsAmong(reason, {kSuccess,
                          kDisconnectWithWill,
                          kUnspecifiedError,
                          kMalformedPacket,
                          kProtocolError,
                          kImplementationSpecificError,
                          kNotAuthorized,
                          kServerBusy,
                          kServerShuttingDown,
                          kBadAuthenticationMethod,
                          kKeepAliveTimeout,
                          kSessionTakenOver,
                          kTopicFilterInvalid,
                          kTopicNameInvalid,
                          kReceiveMaximumExceeded,
                          kTopicAliasInvalid,
                          kPacketTooLarge,
                          kMessageRateTooHigh,
                          kQuotaExceeded,
                          kAdministrativeAction,
                          kPayloadFormatInvalid,
                          kRetainNotSupported,
                          kQosNotSupported,
                          kUseAnotherServer,
                          kServerMoved,
                          kSharedSubscriptionsNotSupported,
                          kConnectionRateExceeded,
                          kMaximumConnectTime,
                          kSubscriptionIdentifiersNotSupported,
                          kWildcardSubscriptionsNotSupported});
}

}  // namespace

bool IsReasonOf(PacketType type, ReasonCode reason) {
  switch (type) {
    case PacketType::kConnack: return IsConnackReason(reason);
    case PacketType::kDisconnect: return IsDisconnectReason(reason);
    case PacketType::kPuback:
      return IsAmong(reason,
                     {kSuccess, kNoMatchingSubscribers, kUnspecifiedError, kImplementationSpecificError, kNotAuthorized,
                      kTopicNameInvalid, kPacketIdentifierInUse, kQuotaExceeded, kPayloadFormatInvalid});
    case PacketType::kSuback:
      return IsAmong(reason, {kSuccess, kGrantedQos1, kGrantedQos2, kUnspecifiedError, kImplementationSpecificError,
                              kNotAuthorized, kTopicFilterInvalid, kPacketIdentifierInUse, kQuotaExceeded,
                              kSharedSubscriptionsNotSupported, kSubscriptionIdentifiersNotSupported,
                              kWildcardSubscriptionsNotSupported});
    case PacketType::kUnsuback:
      return IsAmong(reason, {kSuccess, kNoSubscriptionExisted, kUnspecifiedError, kImplementationSpecificError,
                              kNotAuthorized, kTopicFilterInvalid, kPacketIdentifierInUse});
    case PacketType::kAuth: return IsAmong(reason, {kSuccess, kContinueAuthentication, kReauthenticate});
    default: return false;
  }
}

}  // namespace fleetcast::mqtt
