// MQTT packets as values, of 3.1.1 and of 5: what only level 5 has is empty, and not encoded, at the other.
//
// Text and payloads are views: of the receive buffer after decoding, of the caller's memory when encoding. Packets
// that only QoS 2 needs (PUBREC, PUBREL, PUBCOMP) have no value: neither side of Fleetcast speaks QoS 2
// (device-mqtt.md 10.3), and the reader refuses them at the fixed header.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "absl/container/inlined_vector.h"
#include "libs/mqtt/properties.h"
#include "libs/mqtt/reason.h"

namespace fleetcast::mqtt {

// The upper four bits of the first byte (MQTT 2.2.1).
enum class PacketType : uint8_t {
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSubscribe = 8,
  kSuback = 9,
  kUnsubscribe = 10,
  kUnsuback = 11,
  kPingreq = 12,
  kPingresp = 13,
  kDisconnect = 14,
  kAuth = 15,  // Level 5 only.
};

// CONNACK return codes of 3.1.1 (MQTT 3.2.2.3); which one means what to an SDK: device-mqtt.md 2.9.
enum class ConnectCode : uint8_t {
  kAccepted = 0,
  kUnacceptableLevel = 1,
  kIdentifierRejected = 2,
  kServerUnavailable = 3,
  kBadCredentials = 4,
  kNotAuthorized = 5,
};

inline constexpr uint8_t kLevel311 = 4;                       // Protocol level of MQTT 3.1.1.
inline constexpr uint8_t kLevel5 = 5;                         // Protocol level of MQTT 5.
inline constexpr uint8_t kSubscribeFailure = 0x80;            // A SUBACK code of 3.1.1.
inline constexpr uint32_t kRemainingLengthMax = 268'435'455;  // Four bytes of seven bits (MQTT 2.2.3).

// Published by the server when the client is lost.
struct Will {
  std::string_view topic;
  std::string_view payload;
  uint8_t qos = 0;  // 0..2
  bool retain = false;
  WillProperties properties = {};
};

struct Connect {
  // Everything after `level` is meaningful at kLevel311 and kLevel5 only: others have another layout and are refused.
  uint8_t level = kLevel311;
  bool clean_session = false;  // At level 5: Clean Start, which says nothing about the end of the session.
  uint16_t keep_alive_seconds = 0;
  std::string_view client_id;
  std::optional<Will> will;
  std::optional<std::string_view> username;
  std::optional<std::string_view> password;  // Any bytes. A secret: never logged.
  ConnectProperties properties;
};

struct Connack {
  bool session_present = false;
  ConnectCode code = ConnectCode::kAccepted;  // At level 5 `reason` instead.
  ReasonCode reason = ReasonCode::kSuccess;
  ConnackProperties properties = {};
};

struct Publish {
  bool dup = false;
  bool retain = false;
  uint8_t qos = 0;              // 0..2
  uint16_t packet_id = 0;       // 1..65535 when qos > 0, else 0.
  std::string_view topic = {};  // Empty only at level 5, with a topic alias.
  std::string_view payload = {};
  PublishProperties properties = {};
};

struct Puback {
  uint16_t packet_id = 0;  // As received: D-PID-2 tolerates 0.
  ReasonCode reason = ReasonCode::kSuccess;
  AckProperties properties = {};
};

struct Subscription {
  std::string_view filter;
  uint8_t qos = 0;  // 0..2
  // Level 5 only.
  bool no_local = false;
  bool retain_as_published = false;
  uint8_t retain_handling = 0;  // 0..2
};

struct Subscribe {
  uint16_t packet_id = 0;
  absl::InlinedVector<Subscription, 4> subscriptions;  // At least one.
  SubscribeProperties properties = {};
};

struct Suback {
  uint16_t packet_id = 0;
  // In the order of the filters: 0, 1, 2 or kSubscribeFailure; at level 5 a ReasonCode each.
  absl::InlinedVector<uint8_t, 8> codes;
  AckProperties properties = {};
};

struct Unsubscribe {
  uint16_t packet_id = 0;
  absl::InlinedVector<std::string_view, 4> filters;  // At least one.
  UnsubscribeProperties properties = {};
};

struct Unsuback {
  uint16_t packet_id = 0;
  absl::InlinedVector<uint8_t, 8> codes = {};  // A ReasonCode for each filter; level 5 only.
  AckProperties properties = {};
};

struct Pingreq {};
struct Pingresp {};

// Of 3.1.1 only a client says it, and always with success.
struct Disconnect {
  ReasonCode reason = ReasonCode::kSuccess;
  DisconnectProperties properties = {};
};

// Level 5 only.
struct Auth {
  ReasonCode reason = ReasonCode::kSuccess;
  AuthProperties properties = {};
};

using Packet = std::variant<Connect, Connack, Publish, Puback, Subscribe, Suback, Unsubscribe, Unsuback, Pingreq,
                            Pingresp, Disconnect, Auth>;

}  // namespace fleetcast::mqtt
