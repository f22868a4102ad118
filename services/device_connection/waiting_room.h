// Where something waits for its time.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace fleetcast::device_connection {

// Gives back what was put in when its time has come. Bounded. Thread-safe.
template <typename T>
class WaitingRoom {
 public:
  explicit WaitingRoom(size_t size_max) : size_max_(size_max) {}

  // `value` waits until `due` (monotonic). False, and `value` is untouched, when the room is full.
  bool TryAdd(absl::Duration due, T& value) {
    MutexLock lock(mutex_);
    if (waiting_.size() >= size_max_) return false;
    waiting_.emplace(due, std::move(value));
    return true;
  }

  // Takes out everything that was due at `now`, in the order of its times.
  std::vector<T> TakeDue(absl::Duration now) {
    std::vector<T> due;
    MutexLock lock(mutex_);
    const auto end = waiting_.upper_bound(now);
    for (auto each = waiting_.begin(); each != end; ++each) due.push_back(std::move(each->second));
    waiting_.erase(waiting_.begin(), end);
    return due;
  }

 private:
  const size_t size_max_;
  Mutex mutex_;
  std::multimap<absl::Duration, T> waiting_ GUARDED_BY(mutex_);
};

}  // namespace fleetcast::device_connection
