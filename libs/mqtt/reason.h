// Reason codes of MQTT 5 (its section 2.4).
#pragma once

#include <cstdint>
#include <string_view>

namespace fleetcast::mqtt {

enum class PacketType : uint8_t;

// What became of a request, or why a connection ends. 0x80 and above are failures.
enum class ReasonCode : uint8_t {
  kSuccess = 0x00,  // Also: normal disconnection, granted QoS 0.
  kGrantedQos1 = 0x01,
  kGrantedQos2 = 0x02,
  kDisconnectWithWill = 0x04,
  kNoMatchingSubscribers = 0x10,
  kNoSubscriptionExisted = 0x11,
  kContinueAuthentication = 0x18,
  kReauthenticate = 0x19,
  kUnspecifiedError = 0x80,
  kMalformedPacket = 0x81,
  kProtocolError = 0x82,
  kImplementationSpecificError = 0x83,
  kUnsupportedProtocolVersion = 0x84,
  kClientIdentifierNotValid = 0x85,
  kBadUserNameOrPassword = 0x86,
  kNotAuthorized = 0x87,
  kServerUnavailable = 0x88,
  kServerBusy = 0x89,
  kBanned = 0x8a,
  kServerShuttingDown = 0x8b,
  kBadAuthenticationMethod = 0x8c,
  kKeepAliveTimeout = 0x8d,
  kSessionTakenOver = 0x8e,
  kTopicFilterInvalid = 0x8f,
  kTopicNameInvalid = 0x90,
  kPacketIdentifierInUse = 0x91,
  kPacketIdentifierNotFound = 0x92,
  kReceiveMaximumExceeded = 0x93,
  kTopicAliasInvalid = 0x94,
  kPacketTooLarge = 0x95,
  kMessageRateTooHigh = 0x96,
  kQuotaExceeded = 0x97,
  kAdministrativeAction = 0x98,
  kPayloadFormatInvalid = 0x99,
  kRetainNotSupported = 0x9a,
  kQosNotSupported = 0x9b,
  kUseAnotherServer = 0x9c,
  kServerMoved = 0x9d,
  kSharedSubscriptionsNotSupported = 0x9e,
  kConnectionRateExceeded = 0x9f,
  kMaximumConnectTime = 0xa0,
  kSubscriptionIdentifiersNotSupported = 0xa1,
  kWildcardSubscriptionsNotSupported = 0xa2,
};

// True for the codes that say "no".
constexpr bool IsFailure(ReasonCode reason) { return static_cast<uint8_t>(reason) >= 0x80; }

// True if a packet of this type may carry the code (MQTT 5 table 2-6). False for packets without reason codes.
bool IsReasonOf(PacketType type, ReasonCode reason);

}  // namespace fleetcast::mqtt
