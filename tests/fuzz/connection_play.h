// Plays a script (connection_script.h) on a Connection, under the eyes of a ConnectionOracle.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "services/mqtt_edge/connection/connection.h"
#include "tests/fuzz/fragments.h"

namespace fleetcast::fuzz {

// How it ended, as far as it may not depend on the fragmentation.
struct Ending {
  bool hub_is_honest = false;
  mqtt_edge::Connection::State state = mqtt_edge::Connection::State::kAwaitingConnect;
  mqtt_edge::CloseReason close_reason = mqtt_edge::CloseReason::kNone;
  mqtt_edge::Subscriptions subscriptions = 0;
  std::vector<uint16_t> pubacks;
  std::vector<uint16_t> subacks;
  uint64_t publishes = 0;         // Digest of PUBLISHes but desired changes.
  uint64_t others = 0;            // Of CONNACK and PINGRESPs.
  std::array<uint64_t, 3> hub{};  // Of what the hub was asked (reads, patches) and told (reports).
};

// Plays it, with what the device sends cut as `cut` says.
Ending Play(std::string_view script, Cut cut);

// Whether two endings of one script are the same, but for what pieces of a stream may change: packets that come
// together become one change of the subscriptions, which comes too late when the connection ends with the same bytes.
bool IsAlike(const Ending& a, const Ending& b);

}  // namespace fleetcast::fuzz
