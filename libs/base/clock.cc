#include "libs/base/clock.h"

#include <ctime>

#include <condition_variable>
#include <mutex>

#include "absl/time/clock.h"

namespace fleetcast {
namespace {

class RealClock final : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }

  absl::Duration Monotonic() override {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);  // Also counts while the machine is suspended.
    return absl::DurationFromTimespec(now);
  }

  bool Sleep(absl::Duration duration, std::stop_token stop) override {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, absl::ToChronoNanoseconds(duration), [] { return false; });
    return !stop.stop_requested();
  }
};

}  // namespace

Clock& SystemClock() {
  static RealClock* const clock = new RealClock;
  return *clock;
}

}  // namespace fleetcast
