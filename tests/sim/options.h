// How a simulated world is made.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace fleetcast::sim {

// Mistakes that the played parts can make on purpose, so that a test can show that a rule notices.
struct Mutations {
  bool edge_ignores_permit = false;         // Requests are written however old they are.
  bool edge_takes_any_answer = false;       // An answer counts on whatever connection of the device it comes.
  bool edge_takes_anyones_answer = false;   // An answer counts whichever device it comes from.
  bool edge_invents_answers = false;        // Some answers are reported with another payload.
  bool edge_drops_answers = false;          // Some answers are not reported.
  bool edge_writes_twice = false;           // Some requests are written twice.
  bool cancel_answers_early = false;        // The API answers first and cancels two seconds later.
  bool dispatcher_lies_about_boot = false;  // It claims to know everything since the beginning of the world.
  bool dispatcher_reuses_ids = false;       // Call ids begin with the same number in each life.
  bool hub_denies_lost_calls = false;       // A call whose edge is lost is reported as not sent.
  bool hub_keeps_generation = false;        // A Redis that lost its memory starts again in the same generation.
  bool hub_forgets_takeover = false;        // The older connection of a device is not told to go.
  bool hub_ignores_ends = false;            // The end of a session is not noted.
  bool hub_checks_no_sessions = false;      // Entries that an older copy of Redis brought back stay.
  bool redis_closes_any_epoch = false;      // A disconnect takes the entry out whoever stands there.
  bool twin_ignores_keys = false;           // A repeated slice is applied again.
  bool twin_starves_small_jobs = false;     // The targets of small jobs cannot be had for some seconds.
  bool twin_skips_devices = false;          // Each page of targets misses one.
  bool scheduler_trusts_leases = false;     // A lease is believed on after its end (the seeded bug wall-clock-lease).
  bool store_ignores_caps = false;          // The cap of calls in flight is not stored.
  bool store_never_expires = false;         // Execution times are not looked at.
  bool store_counts_twice = false;          // Some outcomes are counted twice in answers,
  bool store_mixes_counts = false;          // … or in the wrong place.
  bool store_replaces_outcomes = false;     // Reads of a target that ended show a later time.
  bool store_denies_calls = false;          // What succeeded in a cancelled job is read as canceled.
  bool store_starts_early = false;          // Jobs start two seconds before their time.
  bool store_starts_twice = false;          // The start of a running job moves.
  bool store_goes_back = false;             // A running job is queued again, in some answers.
  bool store_ends_early = false;            // A job is completed before its last target.
};

struct WorldOptions {
  uint64_t seed = 1;
  int schedulers = 2;
  int dispatchers = 2;
  int hubs = 2;
  int edges = 2;
  int devices = 60;
  int chunks_active_max = 64;
  int64_t scheduler_credit = 5'000;
  absl::Duration skew_max = absl::Milliseconds(100);  // Of each machine's wall clock.
  bool has_faults = true;  // Without: every message arrives, every process lives; rules that need it are asked for.
  Mutations mutations;
};

// The permit of the product (EngineOptions::permit), which job_api waits for as well.
inline constexpr absl::Duration kPermit = absl::Seconds(1);
// Allowed beyond each instant that two machines have to agree on (reliability 2.1).
inline constexpr absl::Duration kEpsilon = absl::Milliseconds(500);

}  // namespace fleetcast::sim
