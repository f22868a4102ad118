// An instant on both clocks, handed to the pure cores as an argument.
#pragma once

#include "absl/time/time.h"

namespace fleetcast::scheduler {

// `wall` is for permits and records, and may jump; `steady` (Clock::Monotonic) is for waits and leases.
struct Moment {
  absl::Time wall;
  absl::Duration steady;
};

}  // namespace fleetcast::scheduler
