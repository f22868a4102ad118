#include "services/mqtt_edge/loop/timer_wheel.h"

#include <algorithm>

namespace fleetcast::mqtt_edge {

void TimerWheel::Schedule(uint32_t slot, int64_t tick) {
  if (slot >= entries_.size()) entries_.resize(slot + 1);
  Cancel(slot);
  const int64_t bucket = std::clamp(tick, now_ + 1, now_ + kTicks - 1) % kTicks;
  uint32_t& head = heads_[static_cast<size_t>(bucket)];
  entries_[slot] = {kNone, head, static_cast<int32_t>(bucket)};
  if (head != kNone) entries_[head].previous = slot;
  head = slot;
}

void TimerWheel::Cancel(uint32_t slot) {
  if (slot >= entries_.size() || entries_[slot].bucket < 0) return;
  const Entry entry = entries_[slot];
  if (entry.next != kNone) entries_[entry.next].previous = entry.previous;
  if (entry.previous != kNone) {
    entries_[entry.previous].next = entry.next;
  } else {
    heads_[static_cast<size_t>(entry.bucket)] = entry.next;
  }
  entries_[slot] = {};
}

void TimerWheel::TakeBucket(int64_t tick, std::vector<uint32_t>* fired) {
  uint32_t& head = heads_[static_cast<size_t>(tick % kTicks)];
  while (head != kNone) {
    fired->push_back(head);
    Cancel(head);
  }
}

void TimerWheel::Advance(int64_t tick, std::vector<uint32_t>* fired) {
  const int64_t last = std::min(tick, now_ + kTicks);  // After a long pause once around is enough.
  for (int64_t t = now_ + 1; t <= last; ++t) TakeBucket(t, fired);
  now_ = std::max(now_, tick);
}

}  // namespace fleetcast::mqtt_edge
