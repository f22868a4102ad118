#include "libs/mqtt/codec.h"

#include <algorithm>

#include "libs/mqtt/decode.h"
#include "libs/mqtt/wire.h"

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
Header ReadHeader(const Limits& limits, std::string_view bytes, uint8_t level) {
  if (bytes.empty()) return {};
  const auto first = static_cast<uint8_t>(bytes[0]);
  const uint8_t type = first >> 4;
  if (type == 0 || (type == 15 && level != kLevel5)) return Malformed(Violation::kReservedType);
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
    case Violation::kVariableInteger: return "variable_integer";
    case Violation::kUnknownProperty: return "unknown_property";
    case Violation::kRepeatedProperty: return "repeated_property";
    case Violation::kPropertyValue: return "property_value";
    case Violation::kTopicAliasZero: return "topic_alias_zero";
    case Violation::kReservedOption: return "reserved_option";
    case Violation::kSubscriptionOption: return "subscription_option";
    case Violation::kNoAuthentication: return "no_authentication";
  }
  return "unknown";
}

ReasonCode ReasonOf(Violation violation) {
  switch (violation) {
    case Violation::kNone: return ReasonCode::kUnspecifiedError;
    case Violation::kReservedType:
    case Violation::kReservedFlags:
    case Violation::kRemainingLength:
    case Violation::kTruncated:
    case Violation::kTrailingBytes:
    case Violation::kBadText:
    case Violation::kBadQos:
    case Violation::kConnectFlags:
    case Violation::kBadReturnCode:
    case Violation::kVariableInteger:
    case Violation::kUnknownProperty:
    case Violation::kReservedOption: return ReasonCode::kMalformedPacket;
    case Violation::kUnexpectedType:
    case Violation::kEmptyTopic:
    case Violation::kWildcardTopic:
    case Violation::kPacketIdZero:
    case Violation::kDupAtQos0:
    case Violation::kNoFilter:
    case Violation::kRepeatedProperty:
    case Violation::kPropertyValue:
    case Violation::kSubscriptionOption:
    case Violation::kNoAuthentication: return ReasonCode::kProtocolError;
    case Violation::kTooLarge: return ReasonCode::kPacketTooLarge;
    case Violation::kProtocolName: return ReasonCode::kUnsupportedProtocolVersion;
    case Violation::kTopicAliasZero: return ReasonCode::kTopicAliasInvalid;
  }
  return ReasonCode::kUnspecifiedError;
}

PacketReader::Result PacketReader::Refuse(Violation violation) {
  violation_ = violation;
  return Result::kViolation;
}

PacketReader::Result PacketReader::Decode(std::string_view whole, Packet* packet) {
  size_t header_size = 2;
  while ((static_cast<uint8_t>(whole[header_size - 1]) & 0x80) != 0) ++header_size;
  const std::string_view body = whole.substr(header_size);
  Violation violation = DecodeBody(static_cast<uint8_t>(whole[0]), body, level_, packet);
  if (const auto* connect = std::get_if<Connect>(packet)) level_ = connect->level == kLevel5 ? kLevel5 : kLevel311;
  const bool is_minimal = header_size == 1 + VariableIntegerSize(body.size());
  if (level_ == kLevel5 && !is_minimal && violation == Violation::kNone) violation = Violation::kRemainingLength;
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
    const Header header = ReadHeader(limits, partial_, level_);
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
  const Header header = ReadHeader(limits, *input, level_);
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
