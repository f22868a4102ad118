// A private Redis: its own directory, a free loopback port.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "tools/fleetcast/dev/stack.h"

namespace fleetcast::dev {

inline constexpr char kRedisName[] = "redis";  // In FLEETCAST_PIDS.

// The server program. NOT_FOUND says what to install.
absl::StatusOr<std::string> FindRedis();

// The server. It keeps what it knows over a restart (append-only file, one second may be lost).
ChildSpec RedisChild(const Stack& stack);

}  // namespace fleetcast::dev
