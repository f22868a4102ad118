// Settings of twin.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/config/config.h"
#include "libs/query/query.h"

namespace fleetcast::twin {

struct Config {
  std::string postgres;          // libpq connection string; a secret.
  int postgres_connections = 6;  // For single calls and batches of device_connection; also handler threads.
  int slice_connections = 3;     // For twin writes of jobs; also threads.
  int scan_connections = 2;      // For queries and target streams; also threads.
  absl::Duration scan_limit = absl::Seconds(60);          // Longest statement of a query or a page of targets.
  bool migrate = false;                                   // Bring the schema up to date and exit.
  bool migrate_on_start = false;                          // Bring the schema up to date, then serve.
  bool allow_unsafe_database = false;                     // For tests and benchmarks with fsync off.
  std::vector<std::string> device_connection_addresses;   // Every replica: each hears of every change.
  absl::Duration outbox_retention = absl::Hours(1);       // Changes that nobody fetched are dropped after this.
  absl::Duration slice_retention = absl::Hours(24 * 31);  // How long the results of job slices are kept.
  std::string query_profile = "lenient";                  // Or "strict".
  std::vector<std::string> query_indexes;                 // Paths with expression indexes.
  std::string page_token_key;                             // At least 16 bytes, the same in all replicas; a secret.
  absl::Duration seal_delay = absl::Minutes(5);           // Longer than a rolling upgrade takes: see key_upkeep.h.
  std::string key_encryption_keys;  // For the keys of devices, as auth::SealingKeys reads them; a secret.

  void Declare(config::Settings& settings);

  query::Profile profile() const {
    return query_profile == "strict" ? query::Profile::kStrict : query::Profile::kLenient;
  }
};

}  // namespace fleetcast::twin
