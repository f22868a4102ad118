// A private PostgreSQL: its own cluster, a free loopback port, a random password.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/fleetcast/dev/stack.h"

namespace fleetcast::dev {

inline constexpr char kPostgresName[] = "postgres";  // In FLEETCAST_PIDS.

// The directory of the newest PostgreSQL on this machine. NOT_FOUND says what to install.
absl::StatusOr<std::string> FindPostgres();

// Makes the cluster and its password unless they exist; sets stack.postgres_password.
absl::Status EnsureCluster(Stack& stack);

// The server.
ChildSpec PostgresChild(const Stack& stack);

// A libpq URI of the database. A secret.
std::string PostgresUri(const Stack& stack);

}  // namespace fleetcast::dev
