// For tests: bytes to packets and back, at both levels.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "libs/mqtt/codec.h"

namespace fleetcast::mqtt {

// Server and client packets alike, nothing bounded: to test the decoder itself.
constexpr Limits AllLimits() {
  Limits limits{};
  limits.remaining_max.fill(static_cast<int32_t>(kRemainingLengthMax));
  return limits;
}
inline constexpr Limits kAll = AllLimits();

template <typename Value>
std::string Bytes(const Value& packet, uint8_t level = kLevel311) {
  std::string bytes;
  Encode(packet, &bytes, level);
  return bytes;
}

// What a reader says about `bytes`, given in pieces of `piece` bytes; each piece sits in a heap block of its exact
// size, so that a sanitizer sees a read of one byte too many. A packet is described by encoding it again.
struct Reading {
  std::vector<std::string> packets;
  Violation violation = Violation::kNone;
  bool has_partial = false;
};

inline Reading Read(const Limits& limits, std::string_view bytes, size_t piece = SIZE_MAX, uint8_t level = kLevel311) {
  Reading reading;
  PacketReader reader(level);
  Packet packet;
  for (size_t i = 0; i < bytes.size(); i += std::min(piece, bytes.size() - i)) {
    const std::string_view part = bytes.substr(i, piece);
    auto block = std::make_unique<char[]>(part.size());
    part.copy(block.get(), part.size());
    std::string_view input(block.get(), part.size());
    for (;;) {
      const PacketReader::Result result = reader.Next(limits, &input, &packet);
      if (result == PacketReader::Result::kPacket) reading.packets.push_back(Bytes(packet, reader.level()));
      if (result == PacketReader::Result::kViolation) {
        reading.violation = reader.violation();
        return reading;
      }
      if (result == PacketReader::Result::kNeedMore) break;
    }
  }
  reading.has_partial = reader.has_partial();
  return reading;
}

inline Violation ViolationOf(std::string_view bytes, const Limits& limits = kAll, uint8_t level = kLevel311) {
  return Read(limits, bytes, SIZE_MAX, level).violation;
}

// The views are of `bytes`.
template <typename Value>
Value Decode(std::string_view bytes, uint8_t level = kLevel311) {
  PacketReader reader(level);
  Packet packet;
  std::string_view input = bytes;
  EXPECT_EQ(reader.Next(kAll, &input, &packet), PacketReader::Result::kPacket) << ViolationName(reader.violation());
  EXPECT_TRUE(input.empty());
  return std::get<Value>(packet);
}

}  // namespace fleetcast::mqtt
