// A byte stream, in three fragmentations: the same packets and the same verdict from each. A packet that was read is
// written back to the bytes it came from. What the reader holds is in proportion to what has arrived.
//
// The first byte says which end reads, and of which level; the rest is what it gets. At level 5 properties may be
// written in another order: what is written back reads the same.
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/check.h"
#include "libs/mqtt/codec.h"
#include "tests/fuzz/fragments.h"
#include "tests/fuzz/memory_meter.h"

namespace {

namespace fuzz = fleetcast::fuzz;
namespace mqtt = fleetcast::mqtt;
using Result = mqtt::PacketReader::Result;

// What a reader made of the stream.
struct Outcome {
  std::vector<std::string> packets;  // Encoded again.
  Result last = Result::kNeedMore;
  mqtt::Violation violation = mqtt::Violation::kNone;
  bool has_partial = false;

  bool operator==(const Outcome&) const = default;
};

// An end that reads.
struct End {
  mqtt::Limits limits;
  uint8_t level;
};

constexpr End kEnds[] = {{mqtt::BeforeConnectLimits(mqtt::kConnectRemainingMax), mqtt::kLevel311},
                         {mqtt::kServerLimits, mqtt::kLevel311},
                         {mqtt::kClientLimits, mqtt::kLevel311},
                         {mqtt::kServerLimits5, mqtt::kLevel5},
                         {mqtt::kClientLimits5, mqtt::kLevel5}};

// A CONNECT of any other level is read up to its level only.
bool IsReadWhole(const mqtt::Packet& packet) {
  const auto* const connect = std::get_if<mqtt::Connect>(&packet);
  return connect == nullptr || connect->level == mqtt::kLevel311 || connect->level == mqtt::kLevel5;
}

// The bytes behind the fixed header.
std::string_view Body(std::string_view whole) {
  size_t header = 2;
  while ((static_cast<uint8_t>(whole[header - 1]) & 0x80) != 0) ++header;
  return whole.substr(header);
}

Outcome Read(const End& end, std::string_view stream, fuzz::Cut cut) {
  Outcome outcome;
  mqtt::PacketReader reader(end.level);
  mqtt::Packet packet;
  size_t arrived = 0;
  ptrdiff_t held = 0;  // By the reader and the packet.
  while (arrived < stream.size() && outcome.last != Result::kViolation) {
    std::string_view piece = stream.substr(arrived, fuzz::PieceLength(cut, stream.substr(arrived)));
    arrived += piece.size();
    for (;;) {
      const ptrdiff_t before = fuzz::HeldBytes();
      outcome.last = reader.Next(end.limits, &piece, &packet);
      held += fuzz::HeldBytes() - before;
      FLEETCAST_CHECK(held <= static_cast<ptrdiff_t>(3 * arrived + 1024));  // A text grows by doubling.
      if (outcome.last != Result::kPacket) break;
      mqtt::Encode(packet, &outcome.packets.emplace_back(), reader.level());
    }
    FLEETCAST_CHECK(outcome.last == Result::kViolation || piece.empty());
  }
  outcome.violation = reader.violation();
  outcome.has_partial = outcome.last == Result::kNeedMore && reader.has_partial();
  return outcome;
}

// Every packet that lies whole in the stream, written back.
void CheckEncoding(const End& end, std::string_view stream) {
  mqtt::PacketReader reader(end.level);
  mqtt::Packet packet;
  for (std::string_view rest = stream; !rest.empty();) {
    const std::string_view before = rest;
    if (reader.Next(end.limits, &rest, &packet) != Result::kPacket) return;
    if (!IsReadWhole(packet)) continue;
    const std::string_view whole = before.substr(0, before.size() - rest.size());
    std::string encoded;
    mqtt::Encode(packet, &encoded, reader.level());
    FLEETCAST_CHECK(encoded[0] == whole[0]);
    if (reader.level() == mqtt::kLevel5) {
      const Outcome again = Read({end.limits, reader.level()}, encoded, fuzz::Cut::kWhole);
      FLEETCAST_CHECK(again.packets == std::vector<std::string>{encoded});
      continue;
    }
    FLEETCAST_CHECK(Body(encoded) == Body(whole));  // Its length may have been written with needless bytes.
    FLEETCAST_CHECK(encoded.size() <= whole.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const End& chosen = kEnds[bytes[0] % std::size(kEnds)];
  const std::string_view stream(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const Outcome whole = Read(chosen, stream, fuzz::Cut::kWhole);
  for (const fuzz::Cut cut : fuzz::kCuts) FLEETCAST_CHECK(Read(chosen, stream, cut) == whole);
  CheckEncoding(chosen, stream);
  return 0;
}
