// Settings of the scheduler.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/config/config.h"
#include "services/scheduler/engine_context.h"
#include "services/scheduler/housekeeper.h"
#include "services/scheduler/starter.h"

namespace fleetcast::scheduler {

struct Config {
  std::string postgres;                       // libpq connection string; a secret.
  int postgres_connections = 8;               // Also threads that talk to the database.
  bool allow_unsafe_database = false;         // For tests and benchmarks with fsync off.
  std::vector<std::string> method_addresses;  // method_dispatch, every replica.
  std::vector<std::string> twin_addresses;    // twin, every replica.
  std::string owner_name;                     // Of leases; the boot id is added.
  int chunks_leased_max = 128;
  int chunks_held_max = 4096;
  int twin_in_flight_max = 16'000;
  int resolve_threads = 4;
  absl::Duration permit_lifetime = absl::Milliseconds(800);
  absl::Duration offline_grace = absl::Seconds(5);
  absl::Duration recheck_interval = absl::Minutes(2);
  absl::Duration lease_ttl = absl::Seconds(10);
  absl::Duration poll_interval = absl::Milliseconds(200);
  absl::Duration expire_grace = absl::Seconds(5);
  absl::Duration cancel_drain = absl::Minutes(5);
  absl::Duration drain_in_flight = absl::Seconds(20);

  absl::Duration retention = absl::Hours(24 * 30);
  absl::Duration upkeep_interval = absl::Minutes(10);

  void Declare(config::Settings& settings);

  // What the parts are made with. `owner` is unique for each start of the process.
  EngineOptions Engine(const std::string& owner) const;
  StarterOptions Starter(const std::string& owner) const;
  HousekeeperOptions Upkeep() const;
};

}  // namespace fleetcast::scheduler
