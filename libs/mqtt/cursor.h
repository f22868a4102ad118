// Reads the fields of one packet. Internal to this library.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "libs/mqtt/codec.h"
#include "libs/mqtt/utf8.h"

namespace fleetcast::mqtt {

// The one place that reads fields: every read is checked, the first failure sticks.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  uint8_t Byte() {
    const std::string_view taken = Take(1);
    return taken.empty() ? uint8_t{0} : static_cast<uint8_t>(taken[0]);
  }

  uint16_t Word() { return static_cast<uint16_t>(Number(2)); }
  uint32_t DoubleWord() { return Number(4); }

  // A variable byte integer, in as few bytes as possible (MQTT-1.5.5-1).
  uint32_t VariableInteger() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const uint8_t byte = Byte();
      value |= static_cast<uint32_t>(byte & 0x7f) << (7 * i);
      if ((byte & 0x80) != 0) continue;
      if (byte == 0 && i > 0) Fail(Violation::kVariableInteger);
      return value;
    }
    Fail(Violation::kVariableInteger);
    return 0;
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

  // Text that is no name.
  std::string_view String() {
    const std::string_view text = Binary();
    if (!IsMqttString(text)) Fail(Violation::kBadText);
    return text;
  }

  // A topic name (MQTT-4.7.3-1, MQTT-3.3.2-2).
  std::string_view Topic() {
    const std::string_view topic = TopicOrNone();
    if (topic.empty()) Fail(Violation::kEmptyTopic);
    return topic;
  }

  std::string_view TopicOrNone() {
    const std::string_view topic = Text();
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

  // The next `count` bytes.
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

  std::string_view Rest() { return std::exchange(bytes_, {}); }

  void Fail(Violation violation) {
    if (violation_ == Violation::kNone) violation_ = violation;
  }

  bool ok() const { return violation_ == Violation::kNone; }
  bool at_end() const { return bytes_.empty(); }
  Violation violation() const { return violation_; }

  // The verdict over the whole packet.
  Violation Finish() {
    if (ok() && !at_end()) Fail(Violation::kTrailingBytes);
    return violation_;
  }

 private:
  uint32_t Number(size_t size) {
    uint32_t value = 0;
    for (const char byte : Take(size)) value = value << 8 | static_cast<uint8_t>(byte);
    return value;
  }

  std::string_view bytes_;
  Violation violation_ = Violation::kNone;
};

}  // namespace fleetcast::mqtt
