// A clock that stands still until the test moves it.
#pragma once

#include "libs/base/clock.h"
#include "libs/base/mutex.h"

namespace fleetcast::testing {

// Thread-safe. Wall time starts at 2026-01-01 00:00 UTC, monotonic time at 1 h.
class SimClock final : public Clock {
 public:
  absl::Time Now() override EXCLUDES(mutex_);
  absl::Duration Monotonic() override EXCLUDES(mutex_);
  // Returns when Advance has moved time far enough, or on stop.
  bool Sleep(absl::Duration duration, std::stop_token stop) override EXCLUDES(mutex_);

  // Moves both times ahead and wakes the sleepers whose time has come.
  void Advance(absl::Duration duration) EXCLUDES(mutex_);
  // Lets wall time jump, forward or back, as when somebody sets the machine's clock.
  void JumpWall(absl::Duration duration) EXCLUDES(mutex_);
  // How many threads sleep now: WaitFor this before Advance.
  int sleepers() const EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  CondVar advanced_;
  absl::Duration elapsed_ GUARDED_BY(mutex_);
  absl::Duration wall_jump_ GUARDED_BY(mutex_);
  int sleepers_ GUARDED_BY(mutex_) = 0;
};

}  // namespace fleetcast::testing
