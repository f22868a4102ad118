// Keeps the tables of jobs in shape: partitions, retention, vacuum.
#pragma once

#include <thread>

#include "libs/base/clock.h"
#include "libs/job_store/job_store.h"
#include "services/scheduler/metrics.h"

namespace fleetcast::scheduler {

struct HousekeeperOptions {
  absl::Duration interval = absl::Minutes(10);      // Between two rounds; the first comes right after the start.
  absl::Duration retention = absl::Hours(24 * 30);  // How long a job is kept after its end.
  absl::Duration round_limit = absl::Seconds(15);   // Deadline of one round, and most that a stop waits.
};

// One thread that calls JobStore::Maintain now and then. Every scheduler has one; the store lets one at a time work.
class Housekeeper {
 public:
  // All arguments outlive this.
  Housekeeper(const HousekeeperOptions& options, job_store::JobStore& store, Clock& clock, SchedulerMetrics& metrics);

  void Start();
  // Ends after the round in work.
  void Stop();

  // One round, on the calling thread. Used by the thread and by tests.
  void RunOnce();

 private:
  void Loop(std::stop_token stop);

  const HousekeeperOptions options_;
  job_store::JobStore& store_;
  Clock& clock_;
  SchedulerMetrics& metrics_;
  std::jthread thread_;
};

}  // namespace fleetcast::scheduler
