#include "libs/testing/sim_clock.h"

namespace fleetcast::testing {
namespace {

constexpr absl::Duration kMonotonicStart = absl::Hours(1);

absl::Time WallStart() { return absl::FromUnixSeconds(1'767'225'600); }

}  // namespace

absl::Time SimClock::Now() {
  MutexLock lock(mutex_);
  return WallStart() + elapsed_ + wall_jump_;
}

absl::Duration SimClock::Monotonic() {
  MutexLock lock(mutex_);
  return kMonotonicStart + elapsed_;
}

bool SimClock::Sleep(absl::Duration duration, std::stop_token stop) {
  std::unique_lock<Mutex> lock(mutex_);
  const absl::Duration end = elapsed_ + duration;
  ++sleepers_;
  advanced_.wait(lock, stop, [&] { return elapsed_ >= end; });
  --sleepers_;
  return elapsed_ >= end;
}

void SimClock::Advance(absl::Duration duration) {
  {
    MutexLock lock(mutex_);
    elapsed_ += duration;
  }
  advanced_.notify_all();
}

void SimClock::JumpWall(absl::Duration duration) {
  MutexLock lock(mutex_);
  wall_jump_ += duration;
}

int SimClock::sleepers() const {
  MutexLock lock(mutex_);
  return sleepers_;
}

}  // namespace fleetcast::testing
