#include "services/scheduler/config.h"

namespace fleetcast::scheduler {
namespace {

// Shares of the lease's length.
constexpr double kRenewAfter = 0.3;
constexpr double kMargin = 0.2;

}  // namespace

void Config::Declare(config::Settings& settings) {
  settings.Text("postgres", &postgres, {.required = true, .secret = true}, "libpq connection string of the database");
  settings.Number("postgres-connections", &postgres_connections, {.min = 2, .max = 64},
                  "Database sessions, and threads that use them");
  settings.Flag("allow-unsafe-database", &allow_unsafe_database,
                "Accept a database that does not sync its writes (tests)");
  settings.List("method-addresses", &method_addresses, {.required = true, .count_max = kDispatchersMax},
                "method_dispatch, host:port of every replica, comma separated");
  settings.List("twin-addresses", &twin_addresses, {.required = true, .count_max = kDispatchersMax},
                "twin, host:port of every replica, comma separated");
  settings.Text("owner-name", &owner_name, {.bytes_max = 100}, "Name in leases, for people; default: the host's name");
  settings.Number("chunks-leased-max", &chunks_leased_max, {.min = 1, .max = 2'000},
                  "Chunks of 1,000 targets with something to do, at most");
  settings.Number("chunks-held-max", &chunks_held_max, {.min = 1, .max = 20'000},
                  "Chunks at most, with those whose devices are all waited for");
  settings.Number("twin-in-flight-max", &twin_in_flight_max, {.min = kSubBatchTargets, .max = 1'000'000},
                  "Twin writes in flight to one twin replica");
  settings.Number("resolve-threads", &resolve_threads, {.min = 1, .max = 64}, "Jobs whose targets are frozen at once");
  settings.Time("permit-lifetime", &permit_lifetime, {.min = absl::Milliseconds(100), .max = absl::Seconds(10)},
                "How long a request may be under way to its device; a cancel waits for it");
  settings.Time("offline-grace", &offline_grace, {.max = absl::Minutes(5)},
                "Least time to wait for a device that is not connected");
  settings.Time("recheck-interval", &recheck_interval, {.min = absl::Seconds(1), .max = absl::Hours(1)},
                "How often devices that are waited for are looked up again: signs of them may be lost");
  settings.Time("lease-ttl", &lease_ttl, {.min = absl::Seconds(1), .max = absl::Minutes(5)},
                "How long chunks of a dead scheduler stay untouched");
  settings.Time("poll-interval", &poll_interval, {.min = absl::Milliseconds(10), .max = absl::Seconds(10)},
                "Between looks for due jobs and free chunks; hints of the database come on top");
  settings.Time("expire-grace", &expire_grace, {.max = absl::Seconds(10)},
                "For unanswered requests when the execution time of a job is over");
  settings.Time("cancel-drain", &cancel_drain, {.min = absl::Seconds(1), .max = absl::Hours(1)},
                "How long answers are awaited when a job is stopped by its abort criteria");
  settings.Time("drain-in-flight", &drain_in_flight, {.max = absl::Minutes(6)},
                "How long a stop waits for requests in flight");
  settings.Time("retention", &retention, {.min = absl::Hours(1), .max = absl::Hours(24 * 3650)},
                "How long a job is kept after its end; jobs leave by the day of their creation");
  settings.Time("upkeep-interval", &upkeep_interval, {.min = absl::Seconds(10), .max = absl::Hours(6)},
                "Between two rounds of upkeep of the tables");
  settings.Rule([this]() -> std::string {
    if (permit_lifetime <= lease_ttl * kMargin) return "";
    return "--permit-lifetime must be at most a fifth of --lease-ttl: permits end before a lease can pass to others";
  });
}

EngineOptions Config::Engine(const std::string& owner) const {
  EngineOptions options;
  options.owner = owner;
  options.dispatchers = static_cast<int>(method_addresses.size());
  options.writers = static_cast<int>(twin_addresses.size());
  options.chunks_active_max = chunks_leased_max;
  options.chunks_held_max = chunks_held_max;
  options.twin_in_flight_max = twin_in_flight_max;
  options.lease = {.ttl = lease_ttl, .renew_after = lease_ttl * kRenewAfter, .margin = lease_ttl * kMargin};
  options.method.recheck = recheck_interval;
  options.permit = permit_lifetime;
  options.offline_grace = offline_grace;
  options.poll = poll_interval;
  options.expire_grace = expire_grace;
  options.cancel_drain = cancel_drain;
  return options;
}

StarterOptions Config::Starter(const std::string& owner) const {
  StarterOptions options;
  options.owner = owner;
  options.threads = resolve_threads;
  options.poll = poll_interval;
  return options;
}

HousekeeperOptions Config::Upkeep() const { return {.interval = upkeep_interval, .retention = retention}; }

}  // namespace fleetcast::scheduler
