// Asks a process whether it serves, by the standard gRPC health protocol.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace fleetcast::dev {

// Whether the process that listens on `address` (host:port) answers SERVING within `limit`.
bool IsServing(const std::string& address, absl::Duration limit);

}  // namespace fleetcast::dev
