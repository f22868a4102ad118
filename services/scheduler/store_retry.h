// What the parts of the scheduler do while the job store fails: every one pauses as long, and says so as rarely.
#pragma once

#include "absl/time/time.h"

namespace fleetcast::scheduler {

// Pause after a statement that failed.
inline constexpr absl::Duration kStorePause = absl::Milliseconds(200);
// One line in the log for each kind of failure and so much time.
inline constexpr absl::Duration kLogEvery = absl::Seconds(5);

}  // namespace fleetcast::scheduler
