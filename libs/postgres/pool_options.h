// Settings of a pool of database sessions.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace fleetcast::postgres {

struct PoolOptions {
  std::string connection_string;  // libpq's, as key=value pairs or URI. May hold a password: never logged.
  std::string application_name;   // Shown in pg_stat_activity.
  int connections = 4;            // Most sessions open at once. About 2 × cores per service.
  absl::Duration acquire_timeout = absl::Seconds(2);    // Longest wait for a free session.
  absl::Duration statement_timeout = absl::Seconds(5);  // Most for one statement; a call's deadline may lower it.
  absl::Duration lock_timeout = absl::Seconds(2);
  absl::Duration idle_in_transaction_timeout = absl::Seconds(10);
};

}  // namespace fleetcast::postgres
