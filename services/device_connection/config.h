// Settings of device_connection.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/config/config.h"

namespace fleetcast::device_connection {

struct Config {
  std::string redis;           // host:port or unix:/path.
  std::string redis_password;  // A secret; empty = none.
  int redis_connections = 6;   // Batches of all kinds that talk to Redis at the same time.
  std::vector<std::string> twin_addresses;
  std::string policies;                           // JSON text (libs/auth/policies.h); a secret.
  std::vector<std::string> host_names;            // Names that devices may use for this hub.
  std::string certificate_dates = "check";        // Or "ignore": of client certificates, at CONNECT.
  absl::Duration edge_lease = absl::Seconds(10);  // An edge not heard for so long is taken for dead.
  absl::Duration record_cache_ttl = absl::Minutes(5);
  int64_t record_cache_max = 200'000;
  int connects_per_minute = 6;  // Of one identity, as the two below (identity_limits.h).
  int connects_burst = 10;
  int refusals_per_minute = 3;
  bool keep_sessions_on_key_change = false;  // Else a session ends with the key or thumbprint that opened it.
  int64_t calls_max = 500'000;               // Calls on their way through this process.
  std::string page_token_key;                // At least 16 bytes, the same in all replicas; a secret.

  void Declare(config::Settings& settings);
};

}  // namespace fleetcast::device_connection
