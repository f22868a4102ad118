// What happens when, in one thread: the heart of the simulation.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "absl/time/time.h"
#include "libs/base/random.h"
#include "libs/testing/sim_clock.h"

namespace fleetcast::scheduler::sim {

// Repeatable numbers from a seed (SplitMix64).
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // True with a probability of `per_mille` in a thousand.
  bool Chance(int per_mille) { return static_cast<int>(Below(1000)) < per_mille; }
  absl::Duration Between(absl::Duration least, absl::Duration most) {
    return least + absl::Microseconds(
                       static_cast<int64_t>(Below(static_cast<uint64_t>(absl::ToInt64Microseconds(most - least)) + 1)));
  }

 private:
  uint64_t state_;
};

// Events in order of time, then of insertion. Not thread-safe.
class SimQueue {
 public:
  explicit SimQueue(testing::SimClock& clock) : clock_(clock) {}

  void After(absl::Duration delay, std::function<void()> event) {
    events_.emplace(clock_.Monotonic() + delay, std::move(event));
  }

  // Moves time to the next event and runs it; false when there is none before `end`, and then time is `end`.
  bool RunNext(absl::Duration end) {
    const absl::Duration now = clock_.Monotonic();
    if (events_.empty() || events_.begin()->first > end) {
      if (end > now) clock_.Advance(end - now);
      return false;
    }
    const auto first = events_.begin();
    if (first->first > now) clock_.Advance(first->first - now);
    const std::function<void()> event = std::move(first->second);
    events_.erase(first);
    event();
    return true;
  }

 private:
  testing::SimClock& clock_;
  std::multimap<absl::Duration, std::function<void()>> events_;
};

}  // namespace fleetcast::scheduler::sim
