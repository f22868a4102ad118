// The number of a connection outside of its loop: which loop, which slot there, and a serial number, so that an
// answer for a connection that is gone never reaches its successor in the slot. Other threads hold these numbers,
// never pointers.
#pragma once

#include <cstdint>

#include "services/mqtt_edge/connection/effects.h"

namespace fleetcast::mqtt_edge {

inline constexpr int kLoopsMax = 256;
inline constexpr uint32_t kSlotsMax = 1 << 24;  // In one loop.

constexpr SessionId MakeSessionId(uint32_t serial, uint32_t slot, int loop) {
  return static_cast<SessionId>(serial) << 32 | slot << 8 | static_cast<uint32_t>(loop);
}
constexpr int LoopOf(SessionId session) { return static_cast<int>(session & 0xff); }
constexpr uint32_t SlotOf(SessionId session) { return static_cast<uint32_t>(session) >> 8; }

}  // namespace fleetcast::mqtt_edge
