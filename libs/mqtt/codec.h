// MQTT 3.1.1 and 5 on the wire: strict decoding from any fragmentation, encoding straight into a byte buffer.
//
// Everything the standard calls a protocol violation is one (ids MQTT-… of its appendix B); what it leaves open follows
// device-mqtt.md 10.1. Pure: no sockets, no time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/mqtt/packet.h"

namespace fleetcast::mqtt {

// Why bytes are not MQTT, or not MQTT that we take. The only cure is to close the connection (MQTT-4.8.0-1; at level 5
// MQTT-4.13.1-1). Ids in the comments are those of 3.1.1, after a stroke of 5.
enum class Violation : uint8_t {
  kNone,
  kReservedType,     // Packet types 0 and, but for level 5, 15.
  kUnexpectedType,   // A packet that this side never receives, or not yet.
  kReservedFlags,    // MQTT-2.2.2-1, -2 / MQTT-2.1.3-1
  kRemainingLength,  // More than four length bytes (MQTT 2.2.3) / or more than are needed (MQTT-1.5.5-1).
  kTooLarge,         // Longer than the limit for its type (D-SZ-1).
  kTruncated,        // A field goes past the end of the packet.
  kTrailingBytes,    // The packet goes on after its last field.
  kBadText,          // MQTT-1.4.0-1, -2; also control characters and non-characters (MQTT 1.5.3).
  kEmptyTopic,       // MQTT-4.7.3-1
  kWildcardTopic,    // MQTT-3.3.2-2
  kPacketIdZero,     // MQTT-2.3.1-1
  kBadQos,           // MQTT-3.3.1-4, MQTT-3-8.3-4
  kDupAtQos0,        // MQTT-3.3.1-2
  kProtocolName,     // MQTT-3.1.2-1
  kConnectFlags,     // MQTT-3.1.2-3, -11, -13..-15, -22
  kNoFilter,         // MQTT-3.8.3-3, MQTT-3.10.3-2
  kBadReturnCode,    // MQTT 3.2.2.3, MQTT-3.9.3-2 / a reason code that the packet may not have.
  // Level 5 only.
  kVariableInteger,     // A length or number of more than four bytes, or of more than it needs (MQTT-1.5.5-1).
  kUnknownProperty,     // One that does not exist, or not in this packet (MQTT 2.2.2.2).
  kRepeatedProperty,    // One that may be there once.
  kPropertyValue,       // A value that the property may not have.
  kTopicAliasZero,      // MQTT-3.3.2-8
  kReservedOption,      // Reserved bits of the subscription options (MQTT-3.8.3-5).
  kSubscriptionOption,  // QoS 3, retain handling 3, or No Local on a shared subscription (MQTT-3.8.3-4).
  kNoAuthentication,    // Authentication data, or an AUTH, without an authentication method (3.1.2.11.10, 3.15.2.2.2).
};

inline constexpr int kViolations = static_cast<int>(Violation::kNoAuthentication) + 1;

// A short snake_case name for logs and metric labels.
std::string_view ViolationName(Violation violation);

// What a side of level 5 says about it in DISCONNECT or CONNACK: 0x81 for bytes that cannot be read, 0x82 for what may
// not be said, or the code that the standard gives to the case.
ReasonCode ReasonOf(Violation violation);

// What a reader takes: the largest remaining length for each packet type, or kRefused. Checked while the fixed header
// is read, so nothing over a limit is ever buffered.
struct Limits {
  static constexpr int32_t kRefused = -1;
  std::array<int32_t, 16> remaining_max;  // By packet type.
};

// D-SZ-1: 256 KiB of body and 32 KB of topic; a CONNECT may carry such a message as its will.
inline constexpr int32_t kPublishRemainingMax = 295'000;
inline constexpr int32_t kConnectRemainingMax = 300'000;
inline constexpr int32_t kSubscribeRemainingMax = 8 * 1024;

// For the server's end before CONNECT: only CONNECT, and only `connect_max` bytes of it.
constexpr Limits BeforeConnectLimits(int32_t connect_max) {
  Limits limits{};
  limits.remaining_max.fill(Limits::kRefused);
  limits.remaining_max[static_cast<size_t>(PacketType::kConnect)] = connect_max;
  return limits;
}

// For the server's end after CONNECT. A second CONNECT is decoded, so that the receiver can say what it was.
constexpr Limits ServerLimits() {
  Limits limits = BeforeConnectLimits(kConnectRemainingMax);
  limits.remaining_max[static_cast<size_t>(PacketType::kPublish)] = kPublishRemainingMax;
  limits.remaining_max[static_cast<size_t>(PacketType::kPuback)] = 2;
  limits.remaining_max[static_cast<size_t>(PacketType::kSubscribe)] = kSubscribeRemainingMax;
  limits.remaining_max[static_cast<size_t>(PacketType::kUnsubscribe)] = kSubscribeRemainingMax;
  limits.remaining_max[static_cast<size_t>(PacketType::kPingreq)] = 0;
  limits.remaining_max[static_cast<size_t>(PacketType::kDisconnect)] = 0;
  return limits;
}

// For a client's end.
constexpr Limits ClientLimits() {
  Limits limits{};
  limits.remaining_max.fill(Limits::kRefused);
  limits.remaining_max[static_cast<size_t>(PacketType::kConnack)] = 2;
  limits.remaining_max[static_cast<size_t>(PacketType::kPublish)] = kPublishRemainingMax;
  limits.remaining_max[static_cast<size_t>(PacketType::kPuback)] = 2;
  limits.remaining_max[static_cast<size_t>(PacketType::kSuback)] = kSubscribeRemainingMax;
  limits.remaining_max[static_cast<size_t>(PacketType::kUnsuback)] = 2;
  limits.remaining_max[static_cast<size_t>(PacketType::kPingresp)] = 0;
  return limits;
}

// The largest packet that we take at level 5, fixed header included (device-mqtt.md 7.3). Those without a payload are
// bounded by kSubscribeRemainingMax all the same: no honest one comes near.
inline constexpr uint32_t kPacketBytesMax5 = 294'912;

// The same at level 5.
constexpr Limits WithLevel5(Limits limits) {
  constexpr uint32_t kHeaderBytes = 4;
  for (const PacketType type : {PacketType::kPuback, PacketType::kUnsuback, PacketType::kConnack}) {
    int32_t& remaining_max = limits.remaining_max[static_cast<size_t>(type)];
    if (remaining_max != Limits::kRefused) remaining_max = kSubscribeRemainingMax;
  }
  limits.remaining_max[static_cast<size_t>(PacketType::kPublish)] = kPacketBytesMax5 - kHeaderBytes;
  limits.remaining_max[static_cast<size_t>(PacketType::kDisconnect)] = kSubscribeRemainingMax;
  limits.remaining_max[static_cast<size_t>(PacketType::kAuth)] = kSubscribeRemainingMax;
  return limits;
}

inline constexpr Limits kServerLimits = ServerLimits();
inline constexpr Limits kClientLimits = ClientLimits();
inline constexpr Limits kServerLimits5 = WithLevel5(kServerLimits);
inline constexpr Limits kClientLimits5 = WithLevel5(kClientLimits);

// Cuts a byte stream into packets. Packets that lie whole in one piece of input are decoded in place; only an
// unfinished packet is copied and kept, so an idle connection keeps no buffer. Not thread-safe; 40 bytes.
class PacketReader {
 public:
  enum class Result : uint8_t { kPacket, kNeedMore, kViolation };

  // `level`: of the packets. A CONNECT sets it for what follows, so a server needs not know it.
  explicit PacketReader(uint8_t level = kLevel311) : level_(level) {}

  // Takes the next packet off the front of `input`, which shrinks by what was used. The views in `packet` live until
  // the next call and as long as the memory of `input`.
  //   kPacket     `packet` is set; call again with the rest.
  //   kNeedMore   `input` is used up.
  //   kViolation  violation() says why; the connection must be closed, the reader is of no more use.
  Result Next(const Limits& limits, std::string_view* input, Packet* packet);

  Violation violation() const { return violation_; }

  // kLevel311 or kLevel5. After a CONNECT that is no good its level all the same, if it came that far.
  uint8_t level() const { return level_; }

  // True in the middle of a packet.
  bool has_partial() const { return !partial_.empty() && !partial_used_; }
  // What is kept of it.
  size_t partial_bytes() const { return has_partial() ? partial_.size() : 0; }

 private:
  Result Refuse(Violation violation);
  Result Decode(std::string_view whole, Packet* packet);

  std::string partial_;        // The packet that was cut, as far as it has come.
  bool partial_used_ = false;  // partial_ was handed out by the last call and is to be dropped.
  Violation violation_ = Violation::kNone;
  uint8_t level_;
};

// Appends the packet to `out` in the form of `level`; a CONNECT says its level itself. The caller keeps the values
// legal (sizes, ids, QoS, reason codes): they are our own.
void Encode(const Connect& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Connack& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Publish& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Puback& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Subscribe& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Suback& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Unsubscribe& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Unsuback& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Pingreq& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Pingresp& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Disconnect& packet, std::string* out, uint8_t level = kLevel311);
void Encode(const Auth& packet, std::string* out, uint8_t level = kLevel5);
void Encode(const Packet& packet, std::string* out, uint8_t level = kLevel311);

// Appends the start of a PUBLISH up to its topic: the caller appends exactly `topic_size` bytes of topic, at QoS 1 two
// bytes of packet id, `properties_size` bytes of properties with their length (none at 3.1.1), and `payload_size` bytes
// of payload. For topics built in place (messages.h).
void EncodePublishHeader(size_t topic_size, size_t payload_size, bool at_qos1, size_t properties_size,
                         std::string* out);

}  // namespace fleetcast::mqtt
