#include "libs/mqtt/codec.h"

#include <utility>

#include "libs/mqtt/utf8.h"

namespace fleetcast::mqtt {
namespace {

constexpr size_t kHeaderMax = 5;  // One byte of type and flags, up to four of length.

// What the fixed header says.
struct Header {
  enum class State : uint8_t { kComplete, kNeedMore, kViolation };
  State state = State::kNeedMore;
  Violation violation = Violation::kNone;
  size_t size = 0;       // Of the header itself.
  size_t remaining = 0;  // Of what follows it.
};

Header Malformed(Violation violation) { return {Header::State::kViolation, violation}; }

// MQTT table 2.2: the flag bits that each type must have; PUBLISH uses its own.
bool HasLegalFlags(PacketType type, uint8_t flags) {
  switch (type) {
    case PacketType::kPublish: return true;
    case PacketType::kPubrel:
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe: return flags == 0x2;
    default: return flags == 0;
  }
}

// Reads the fixed header at the start of `bytes` and refuses what it can refuse without the rest.
Header ReadHeader(const Limits& limits, std::string_view bytes) {
  if (bytes.empty()) return {};
  const auto first = static_cast<uint8_t>(bytes[0]);
  const uint8_t type = first >> 4;
  if (type == 0 || type == 15) return Malformed(Violation::kReservedType);
  const int32_t remaining_max = limits.remaining_max[type];
  if (remaining_max == Limits::kRefused) return Malformed(Violation::kUnexpectedType);
  if (!HasLegalFlags(static_cast<PacketType>(type), first & 0xf)) return Malformed(Violation::kReservedFlags);
  size_t remaining = 0;
  for (size_t i = 1; i < kHeaderMax; ++i) {
    if (i >= bytes.size()) return {};
    const auto byte = static_cast<uint8_t>(bytes[i]);
    remaining |= static_cast<size_t>(byte & 0x7f) << (7 * (i - 1));
    if (remaining > static_cast<size_t>(remaining_max)) return Malformed(Violation::kTooLarge);
    if ((byte & 0x80) == 0) return {Header::State::kComplete, Violation::kNone, i + 1, remaining};
  }
  return Malformed(Violation::kRemainingLength);
}

// The one place that reads fields: every read is checked, the first failure sticks.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  uint8_t Byte() {
    const std::string_view taken = Take(1);
    return taken.empty() ? uint8_t{0} : static_cast<uint8_t>(taken[0]);
  }

  uint16_t Word() {
    const std::string_view taken = Take(2);
    if (taken.empty()) return 0;
    return static_cast<uint16_t>(static_cast<uint8_t>(taken[0]) << 8 | static_cast<uint8_t>(taken[1]));
  }

  // Two bytes of length and as many bytes (MQTT 1.5.3 without the text rules).
  std::string_view Binary() {
    const size_t length = Word();
    return Take(length);
  }

  std::string_view Text() {
    const std::string_view text = Binary();
    if (!IsMqttText(text)) Fail(Violation::kBadText);
    return text;
  }

  // A topic name (MQTT-4.7.3-1, MQTT-3.3.2-2).
  std::string_view Topic() {
    const std::string_view topic = Filter();
    if (topic.find_first_of("+#") != std::string_view::npos) Fail(Violation::kWildcardTopic);
    return topic;
  }

  std::string_view Filter() {
    const std::string_view filter = Text();
    if (filter.empty()) Fail(Violation::kEmptyTopic);
    return filter;
  }

  uint16_t PacketId() {
    const uint16_t packet_id = Word();
    if (packet_id == 0) Fail(Violation::kPacketIdZero);
    return packet_id;
  }

  std::string_view Rest() { return std::exchange(bytes_, {}); }

  void Fail(Violation violation) {
    if (violation_ == Violation::kNone) violation_ = violation;
  }

  bool ok() const { return violation_ == Violation::kNone; }
  bool at_end() const { return bytes_.empty(); }

  // The verdict over the whole packet.
  Violation Finish() {
    if (ok() && !at_end()) Fail(Violation::kTrailingBytes);
    return violation_;
  }

 private:
  std::string_view Take(size_t count) {
    if (bytes_.size() < count) {
      Fail(Violation::kTruncated);
      bytes_ = {};
      return {};
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  std::string_view bytes_;
  Violation violation_ = Violation::kNone;
};

// Connect flags (MQTT 3.1.2.3).
constexpr uint8_t kFlagReserved = 0x01;
constexpr uint8_t kFlagCleanSession = 0x02;
constexpr uint8_t kFlagWill = 0x04;
constexpr uint8_t kFlagWillQos = 0x18;
constexpr uint8_t kFlagWillRetain = 0x20;
constexpr uint8_t kFlagPassword = 0x40;
constexpr uint8_t kFlagUsername = 0x80;

bool AreLegalConnectFlags(uint8_t flags) {
  if ((flags & kFlagReserved) != 0) return false;
  if ((flags & kFlagWillQos) == kFlagWillQos) return false;  // QoS 3
  if ((flags & kFlagWill) == 0 && (flags & (kFlagWillQos | kFlagWillRetain)) != 0) return false;
  return (flags & kFlagPassword) == 0 || (flags & kFlagUsername) != 0;
}

Violation DecodeConnect(std::string_view body, Packet* packet) {
  Cursor cursor(body);
  Connect& connect = packet->emplace<Connect>();
  const std::string_view name = cursor.Binary();
  connect.level = cursor.Byte();
  if (!cursor.ok()) return cursor.Finish();
  if (name == "MQIsdp") {  // MQTT 3.1; paho tries it after a CONNACK 1 (device-mqtt.md 2.1).
    if (connect.level == kLevel311) connect.level = 3;
    return Violation::kNone;
  }
  if (name != "MQTT") return Violation::kProtocolName;
  if (connect.level != kLevel311) return Violation::kNone;

  const uint8_t flags = cursor.Byte();
  if (cursor.ok() && !AreLegalConnectFlags(flags)) return Violation::kConnectFlags;
  connect.clean_session = (flags & kFlagCleanSession) != 0;
  connect.keep_alive_seconds = cursor.Word();
  connect.client_id = cursor.Text();
  if ((flags & kFlagWill) != 0) {
    Will& will = connect.will.emplace();
    will.topic = cursor.Topic();
    will.payload = cursor.Binary();
    will.qos = static_cast<uint8_t>((flags & kFlagWillQos) >> 3);
    will.retain = (flags & kFlagWillRetain) != 0;
  }
  if ((flags & kFlagUsername) != 0) connect.username = cursor.Text();
  if ((flags & kFlagPassword) != 0) connect.password = cursor.Binary();
  return cursor.Finish();
}

Violation DecodeConnack(std::string_view body, Packet* packet) {
  Cursor cursor(body);
  Connack& connack = packet->emplace<Connack>();
  const uint8_t flags = cursor.Byte();
  const uint8_t code = cursor.Byte();
  if (flags > 1) cursor.Fail(Violation::kReservedFlags);
  if (code > static_cast<uint8_t>(ConnectCode::kNotAuthorized)) cursor.Fail(Violation::kBadReturnCode);
  if (flags == 1 && code != 0) cursor.Fail(Violation::kReservedFlags);  // MQTT-3.2.2-4
  connack.session_present = flags == 1;
  connack.code = static_cast<ConnectCode>(code);
  return cursor.Finish();
}

Violation DecodePublish(uint8_t flags, std::string_view body, Packet* packet) {
  Cursor cursor(body);
  Publish& publish = packet->emplace<Publish>();
  publish.dup = (flags & 0x8) != 0;
  publish.qos = (flags >> 1) & 0x3;
  publish.retain = (flags & 0x1) != 0;
  if (publish.qos == 3) cursor.Fail(Violation::kBadQos);
  if (publish.dup && publish.qos == 0) cursor.Fail(Violation::kDupAtQos0);
  publish.topic = cursor.Topic();
  if (publish.qos > 0) publish.packet_id = cursor.PacketId();
  publish.payload = cursor.Rest();
  return cursor.Finish();
}

Violation DecodeSubscribe(std::string_view body, Packet* packet) {
  Cursor cursor(body);
  Subscribe& subscribe = packet->emplace<Subscribe>();
  subscribe.packet_id = cursor.PacketId();
  if (cursor.ok() && cursor.at_end()) return Violation::kNoFilter;
  while (cursor.ok() && !cursor.at_end()) {
    const std::string_view filter = cursor.Filter();
    const uint8_t qos = cursor.Byte();
    if (qos > 2) cursor.Fail(Violation::kBadQos);
    subscribe.subscriptions.push_back({filter, qos});
  }
  return cursor.Finish();
}

Violation DecodeSuback(std::string_view body, Packet* packet) {
  Cursor cursor(body);
  Suback& suback = packet->emplace<Suback>();
  suback.packet_id = cursor.PacketId();
  if (cursor.ok() && cursor.at_end()) return Violation::kNoFilter;
  while (cursor.ok() && !cursor.at_end()) {
    const uint8_t code = cursor.Byte();
    if (code > 2 && code != kSubscribeFailure) cursor.Fail(Violation::kBadReturnCode);
    suback.codes.push_back(code);
  }
  return cursor.Finish();
}

Violation DecodeUnsubscribe(std::string_view body, Packet* packet) {
  Cursor cursor(body);
  Unsubscribe& unsubscribe = packet->emplace<Unsubscribe>();
  unsubscribe.packet_id = cursor.PacketId();
  if (cursor.ok() && cursor.at_end()) return Violation::kNoFilter;
  while (cursor.ok() && !cursor.at_end()) unsubscribe.filters.push_back(cursor.Filter());
  return cursor.Finish();
}

Violation DecodePuback(std::string_view body, Packet* packet) {
  Cursor cursor(body);
  packet->emplace<Puback>().packet_id = cursor.Word();
  return cursor.Finish();
}

Violation DecodeUnsuback(std::string_view body, Packet* packet) {
  Cursor cursor(body);
  packet->emplace<Unsuback>().packet_id = cursor.PacketId();
  return cursor.Finish();
}

template <typename Empty>
Violation DecodeEmpty(std::string_view body, Packet* packet) {
  packet->emplace<Empty>();
  return body.empty() ? Violation::kNone : Violation::kTrailingBytes;
}

Violation DecodeBody(uint8_t first, std::string_view body, Packet* packet) {
  switch (static_cast<PacketType>(first >> 4)) {
    case PacketType::kConnect: return DecodeConnect(body, packet);
    case PacketType::kConnack: return DecodeConnack(body, packet);
    case PacketType::kPublish: return DecodePublish(first & 0xf, body, packet);
    case PacketType::kPuback: return DecodePuback(body, packet);
    case PacketType::kSubscribe: return DecodeSubscribe(body, packet);
    case PacketType::kSuback: return DecodeSuback(body, packet);
    case PacketType::kUnsubscribe: return DecodeUnsubscribe(body, packet);
    case PacketType::kUnsuback: return DecodeUnsuback(body, packet);
    case PacketType::kPingreq: return DecodeEmpty<Pingreq>(body, packet);
    case PacketType::kPingresp: return DecodeEmpty<Pingresp>(body, packet);
    case PacketType::kDisconnect: return DecodeEmpty<Disconnect>(body, packet);
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp: break;
  }
  return Violation::kUnexpectedType;
}

}  // namespace

std::string_view ViolationName(Violation violation) {
  switch (violation) {
    case Violation::kNone: return "none";
    case Violation::kReservedType: return "reserved_type";
    case Violation::kUnexpectedType: return "unexpected_type";
    case Violation::kReservedFlags: return "reserved_flags";
    case Violation::kRemainingLength: return "remaining_length";
    case Violation::kTooLarge: return "too_large";
    case Violation::kTruncated: return "truncated";
    case Violation::kTrailingBytes: return "trailing_bytes";
    case Violation::kBadText: return "bad_text";
    case Violation::kEmptyTopic: return "empty_topic";
    case Violation::kWildcardTopic: return "wildcard_topic";
    case Violation::kPacketIdZero: return "packet_id_zero";
    case Violation::kBadQos: return "bad_qos";
    case Violation::kDupAtQos0: return "dup_at_qos0";
    case Violation::kProtocolName: return "protocol_name";
    case Violation::kConnectFlags: return "connect_flags";
    case Violation::kNoFilter: return "no_filter";
    case Violation::kBadReturnCode: return "bad_return_code";
  }
  return "unknown";
}

PacketReader::Result PacketReader::Refuse(Violation violation) {
  violation_ = violation;
  return Result::kViolation;
}

PacketReader::Result PacketReader::Decode(std::string_view whole, Packet* packet) {
  size_t header_size = 2;
  while ((static_cast<uint8_t>(whole[header_size - 1]) & 0x80) != 0) ++header_size;
  const Violation violation = DecodeBody(static_cast<uint8_t>(whole[0]), whole.substr(header_size), packet);
  return violation == Violation::kNone ? Result::kPacket : Refuse(violation);
}

PacketReader::Result PacketReader::Next(const Limits& limits, std::string_view* input, Packet* packet) {
  if (violation_ != Violation::kNone) return Result::kViolation;
  if (partial_used_) {
    std::string().swap(partial_);  // Gives the memory back: an idle connection keeps none.
    partial_used_ = false;
  }
  // A cut header is completed byte by byte, a cut body in one piece; neither takes a byte of the next packet.
  while (!partial_.empty()) {
    const Header header = ReadHeader(limits, partial_);
    if (header.state == Header::State::kViolation) return Refuse(header.violation);
    const bool has_header = header.state == Header::State::kComplete;
    const size_t whole_size = has_header ? header.size + header.remaining : partial_.size() + 1;
    if (has_header && partial_.size() == whole_size) {
      partial_used_ = true;
      return Decode(partial_, packet);
    }
    if (input->empty()) return Result::kNeedMore;
    const size_t taken = std::min(whole_size - partial_.size(), input->size());
    partial_.append(input->substr(0, taken));
    input->remove_prefix(taken);
  }
  const Header header = ReadHeader(limits, *input);
  if (header.state == Header::State::kViolation) return Refuse(header.violation);
  const size_t whole_size = header.size + header.remaining;
  if (header.state == Header::State::kNeedMore || input->size() < whole_size) {
    partial_.assign(*input);
    *input = {};
    return Result::kNeedMore;
  }
  const std::string_view whole = input->substr(0, whole_size);
  input->remove_prefix(whole_size);
  return Decode(whole, packet);
}

}  // namespace fleetcast::mqtt
