// How a command that follows a stream comes back to a service that went away.
#pragma once

#include "absl/time/time.h"

namespace fleetcast::cli {

// The first pause, doubled each time, and the longest.
inline constexpr absl::Duration kReconnectFirst = absl::Milliseconds(200);
inline constexpr absl::Duration kReconnectMost = absl::Seconds(3);

}  // namespace fleetcast::cli
