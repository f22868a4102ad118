// Deadlines of very many connections in ticks of one second: one list per tick, no system timer per connection
// (D-KA-1).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace fleetcast::mqtt_edge {

// Each slot has at most one deadline. One that is too far away for the wheel fires early, at the rim; who gets a firing
// looks at the true deadline and schedules again. Constant time; not thread-safe.
class TimerWheel {
 public:
  static constexpr int64_t kTicks = 2048;  // More than the longest keep-alive (1767 s).

  // Time starts at `tick`.
  explicit TimerWheel(int64_t tick) : now_(tick) { heads_.fill(kNone); }

  // Fires `slot` at `tick`, or at the next tick if that has passed, or at the rim. Replaces its former deadline.
  void Schedule(uint32_t slot, int64_t tick);

  void Cancel(uint32_t slot);

  // Moves time to `tick` and appends the slots whose time has come, which have no deadline any more, to `fired`.
  void Advance(int64_t tick, std::vector<uint32_t>* fired);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Entry {
    uint32_t previous = kNone;
    uint32_t next = kNone;
    int32_t bucket = -1;  // -1: no deadline.
  };

  void TakeBucket(int64_t tick, std::vector<uint32_t>* fired);

  int64_t now_;
  std::array<uint32_t, kTicks> heads_;
  std::vector<Entry> entries_;  // By slot.
};

}  // namespace fleetcast::mqtt_edge
