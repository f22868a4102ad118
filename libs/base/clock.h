// Time as an argument: whoever needs the time gets a Clock; tests hand in a simulated one (libs/testing/sim_clock.h).
#pragma once

#include <stop_token>

#include "absl/time/time.h"

namespace fleetcast {

// Thread-safe. Now() is wall time and may jump; Monotonic() never goes backwards and has no relation to wall time.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time; for what people and databases see.
  virtual absl::Time Now() = 0;
  // Time since an arbitrary start of this machine; for deadlines, leases and durations.
  virtual absl::Duration Monotonic() = 0;
  // Waits for `duration` or until `stop` is requested. True if the time passed, false if stopped.
  virtual bool Sleep(absl::Duration duration, std::stop_token stop) = 0;
};

// The machine's clock. One per process; lives until exit.
Clock& SystemClock();

}  // namespace fleetcast
