// What happens when, in one thread; and the clocks of simulated machines.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "services/scheduler/sim/sim_queue.h"

namespace fleetcast::sim {

using scheduler::sim::SeededRandom;

// Events in order of time, then of insertion. Time is what an outside observer would measure. Not thread-safe.
class EventQueue {
 public:
  absl::Duration now() const { return absl::Microseconds(now_); }

  void At(absl::Duration when, std::function<void()> event) {
    // Never too early: whoever waits for a deadline would see that it has not come, again and again.
    const int64_t micros = absl::ToInt64Microseconds(absl::Ceil(when, absl::Microseconds(1)));
    heap_.push_back({std::max(now_, micros), ++sequence_, std::move(event)});
    std::push_heap(heap_.begin(), heap_.end());
  }
  void After(absl::Duration delay, std::function<void()> event) { At(now() + delay, std::move(event)); }

  // Moves time to the next event and runs it; false when there is none before `end`, and then time is `end`.
  bool RunNext(absl::Duration end) {
    const int64_t limit = absl::ToInt64Microseconds(end);
    if (heap_.empty() || heap_.front().time > limit) {
      now_ = std::max(now_, limit);
      return false;
    }
    std::pop_heap(heap_.begin(), heap_.end());
    Entry entry = std::move(heap_.back());
    heap_.pop_back();
    now_ = entry.time;
    ++events_;
    entry.event();
    return true;
  }

  uint64_t events() const { return events_; }

 private:
  struct Entry {
    int64_t time = 0;
    uint64_t sequence = 0;
    std::function<void()> event;
    // The earliest is the greatest, as the heap functions have it.
    friend bool operator<(const Entry& a, const Entry& b) {
      return a.time != b.time ? a.time > b.time : a.sequence > b.sequence;
    }
  };

  std::vector<Entry> heap_;
  int64_t now_ = 0;  // Microseconds.
  uint64_t sequence_ = 0;
  uint64_t events_ = 0;
};

// The clock of one machine: wall time is off by a skew and may jump. Sleep returns at once, as if the time had passed:
// whoever waits in a simulated process waits between two events.
class ProcessClock final : public Clock {
 public:
  static absl::Time WallStart() { return absl::FromUnixSeconds(1'767'225'600); }

  explicit ProcessClock(const EventQueue& queue) : queue_(queue) {}

  absl::Time Now() override { return WallStart() + queue_.now() + skew_; }
  absl::Duration Monotonic() override { return absl::Hours(1) + queue_.now(); }
  bool Sleep(absl::Duration, std::stop_token stop) override { return !stop.stop_requested(); }

  void SetSkew(absl::Duration skew) { skew_ = skew; }
  absl::Duration skew() const { return skew_; }

 private:
  const EventQueue& queue_;
  absl::Duration skew_;
};

}  // namespace fleetcast::sim
