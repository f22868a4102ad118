// What the parts of the engine share: options, the outside world, and the time of the current step.
#pragma once

#include <string>
#include <utility>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/job_store/job_store.h"
#include "services/scheduler/effects.h"
#include "services/scheduler/lane.h"
#include "services/scheduler/lease_trust.h"
#include "services/scheduler/method_chunk.h"
#include "services/scheduler/metrics.h"
#include "services/scheduler/moment.h"
#include "services/scheduler/outcome_collector.h"
#include "services/scheduler/twin_chunk.h"

namespace fleetcast::scheduler {

struct EngineOptions {
  std::string owner;                    // Of leases: pod name and boot id, never used twice.
  int dispatchers = 1;                  // How many method addresses there are,
  int writers = 1;                      // … and twin addresses.
  int chunks_active_max = 128;          // Chunks held with something to do,
  int chunks_held_max = 4096;           // … and including those whose devices are all waited for.
  int64_t twin_in_flight_max = 16'000;  // Targets in flight to one twin address.
  LeaseTerms lease;
  MethodChunkOptions method;  // response_timeout, wait_max, permit and dispatchers are set per chunk.
  TwinChunkOptions twin;
  OutcomeCollectorOptions collector;
  absl::Duration permit = absl::Seconds(1);         // How long a sub-batch may be under way to its devices.
  absl::Duration offline_grace = absl::Seconds(5);  // Least wait for a device to connect (device-mqtt D-OUT-3).
  absl::Duration poll = absl::Milliseconds(200);    // Between looks for free chunks, without a hint.
  absl::Duration expire_every = absl::Seconds(1);   // Between looks for jobs whose time is over,
  absl::Duration expire_grace = absl::Seconds(5);   // … whose unanswered targets then get so much more.
  absl::Duration cancel_drain = absl::Minutes(5);   // For answers, when a job is stopped by its abort criteria.
  absl::Duration store_deadline = absl::Seconds(5);
};

// One per engine. Used by the engine's thread only, but for what CallStore hands to the executor.
struct EngineContext {
  EngineContext(const EngineOptions& options, job_store::JobStore& store, StoreExecutor& executor, Effects& effects,
                Clock& clock, SchedulerMetrics& metrics)
      : options(options),
        store(store),
        executor(executor),
        effects(effects),
        clock(clock),
        metrics(metrics),
        methods(options.dispatchers, kSubBatchTargets),
        twins(options.writers, kTwinTurnTargets) {
    ReadClock();
  }

  void ReadClock() { now = {clock.Now(), clock.Monotonic()}; }

  // Runs `call(store, deadline)` elsewhere and then `done` with its result on the engine's thread.
  template <typename Call, typename Done>
  void CallStore(Call call, Done done) {
    executor.Run([this, call = std::move(call), done = std::move(done)]() mutable -> std::function<void()> {
      auto result = call(store, clock.Now() + options.store_deadline);
      return [this, result = std::move(result), done = std::move(done)]() mutable {
        ReadClock();
        done(std::move(result));
      };
    });
  }

  Lane& lane(job_store::ActionKind kind) { return kind == job_store::ActionKind::kInvokeMethod ? methods : twins; }

  const EngineOptions options;
  job_store::JobStore& store;
  StoreExecutor& executor;
  Effects& effects;
  Clock& clock;
  SchedulerMetrics& metrics;

  Moment now;  // Of the current step.
  Lane methods;
  Lane twins;
  bool stopping = false;     // Nothing new is leased or issued.
  bool leases_void = false;  // Some of our leases may have been made void: find out now.
};

}  // namespace fleetcast::scheduler
