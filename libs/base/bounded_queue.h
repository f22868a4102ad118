// A queue with a bound: a full queue is an answer, not a wait.
#pragma once

#include <deque>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace fleetcast {

// Many producers, many consumers. Thread-safe.
template <typename T>
class BoundedQueue {
 public:
  // Holds at most `limit` elements.
  explicit BoundedQueue(size_t limit) : limit_(limit) {}

  // Appends `value`. False (and no effect) when the queue is full; never waits.
  bool TryPush(T value) EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      if (elements_.size() >= limit_) return false;
      elements_.push_back(std::move(value));
    }
    changed_.notify_one();
    return true;
  }

  // Takes the oldest element; waits until there is one, `timeout` passed or `stop` was requested.
  std::optional<T> Pop(absl::Duration timeout, std::stop_token stop) EXCLUDES(mutex_) {
    std::unique_lock<Mutex> lock(mutex_);
    changed_.wait_for(lock, stop, absl::ToChronoNanoseconds(timeout), [this] { return !elements_.empty(); });
    if (elements_.empty()) return std::nullopt;
    T value = std::move(elements_.front());
    elements_.pop_front();
    return value;
  }

  // Like Pop, but takes up to `limit` elements at once; empty on timeout or stop.
  std::vector<T> PopMany(size_t limit, absl::Duration timeout, std::stop_token stop) EXCLUDES(mutex_) {
    std::unique_lock<Mutex> lock(mutex_);
    changed_.wait_for(lock, stop, absl::ToChronoNanoseconds(timeout), [this] { return !elements_.empty(); });
    std::vector<T> taken;
    while (!elements_.empty() && taken.size() < limit) {
      taken.push_back(std::move(elements_.front()));
      elements_.pop_front();
    }
    return taken;
  }

  size_t size() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return elements_.size();
  }

 private:
  const size_t limit_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<T> elements_ GUARDED_BY(mutex_);
};

}  // namespace fleetcast
