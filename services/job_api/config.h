// Settings of job_api.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/config/config.h"

namespace fleetcast::job_api {

struct Config {
  std::string postgres;                                      // libpq connection string; a secret.
  int postgres_connections = 4;                              // Also the number of handler threads.
  bool migrate = false;                                      // Bring the schema up to date and exit.
  bool migrate_on_start = false;                             // Bring the schema up to date, then serve.
  bool allow_unsafe_database = false;                        // For tests and benchmarks with fsync off.
  std::vector<std::string> twin_addresses;                   // For counting what a condition matches.
  absl::Duration start_horizon = absl::Hours(168);           // How far ahead a start time may lie.
  absl::Duration permit_lifetime = absl::Milliseconds(800);  // The scheduler's; Cancel waits for it.
  absl::Duration cancel_drain = absl::Minutes(5);  // How long answers of sent requests are awaited after a cancel.
  int64_t active_jobs_max = 100'000;               // Jobs that are not finished; more are refused.
  std::string page_token_key;                      // At least 16 bytes, the same in all replicas; a secret.

  void Declare(config::Settings& settings);
};

}  // namespace fleetcast::job_api
