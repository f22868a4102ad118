// A thin wrapper of std::mutex with clang's thread-safety annotations (checked by clang -Wthread-safety).
// Not absl::Mutex: ThreadSanitizer cannot see inside Debian's prebuilt Abseil (docs/locks.md).
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"  // GUARDED_BY, so that the two definitions cannot collide.

#if defined(__clang__)
#define FLEETCAST_ANNOTATION_(x) __attribute__((x))
#else
#define FLEETCAST_ANNOTATION_(x)
#endif
#define REQUIRES(...) FLEETCAST_ANNOTATION_(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) FLEETCAST_ANNOTATION_(locks_excluded(__VA_ARGS__))

namespace fleetcast {

class FLEETCAST_ANNOTATION_(capability("mutex")) Mutex {
 public:
  void lock() FLEETCAST_ANNOTATION_(acquire_capability()) { mutex_.lock(); }
  void unlock() FLEETCAST_ANNOTATION_(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Holds a Mutex for a scope.
class FLEETCAST_ANNOTATION_(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) FLEETCAST_ANNOTATION_(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() FLEETCAST_ANNOTATION_(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition variable for Mutex; also waits with a std::stop_token.
using CondVar = std::condition_variable_any;

}  // namespace fleetcast
