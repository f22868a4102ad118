#include "services/job_api/config.h"

namespace fleetcast::job_api {

void Config::Declare(config::Settings& settings) {
  settings.Text("postgres", &postgres, {.required = true, .secret = true}, "libpq connection string of the database");
  settings.Number("postgres-connections", &postgres_connections, {.min = 1, .max = 64},
                  "Database sessions, and handler threads");
  settings.Flag("migrate", &migrate, "Bring schema `jobs` up to date and exit");
  settings.Flag("migrate-on-start", &migrate_on_start, "Bring schema `jobs` up to date before serving (development)");
  settings.Flag("allow-unsafe-database", &allow_unsafe_database,
                "Accept a database that does not sync its writes (tests)");
  settings.List("twin-addresses", &twin_addresses, {.required = true},
                "twin, host:port: one name for all replicas, or addresses");
  settings.Time("start-horizon", &start_horizon, {.min = absl::Hours(1), .max = absl::Hours(24 * 366)},
                "How far ahead the start time of a job may lie");
  settings.Time("permit-lifetime", &permit_lifetime, {.min = absl::Milliseconds(100), .max = absl::Seconds(10)},
                "As set for the scheduler; Cancel answers when permits have run out");
  settings.Time("cancel-drain", &cancel_drain, {.min = absl::Seconds(1), .max = absl::Hours(1)},
                "How long answers to requests sent before a cancel are awaited");
  settings.Number("active-jobs-max", &active_jobs_max, {.min = 1, .max = 10'000'000},
                  "Unfinished jobs; more are refused");
  settings.SecretFile("page-token-key-file", &page_token_key, {},
                      "File with a key of 16 bytes or more, the same for all replicas; none = a random one per start");
  settings.Rule([this]() -> std::string {
    if (page_token_key.empty() || page_token_key.size() >= 16) return "";
    return "the file of --page-token-key-file must hold at least 16 bytes";
  });
}

}  // namespace fleetcast::job_api
