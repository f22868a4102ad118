// Starts jobs: due → targets frozen → running.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/job_store/job_store.h"
#include "services/scheduler/effects.h"
#include "services/scheduler/metrics.h"

namespace fleetcast::scheduler {

struct StarterOptions {
  std::string owner;                              // Of leases, as EngineOptions::owner.
  int threads = 4;                                // Jobs resolved at once: a small one never waits for a big one.
  absl::Duration poll = absl::Milliseconds(200);  // Between looks for due jobs, without a hint.
  absl::Duration lease_ttl = absl::Seconds(15);   // Of a job whose targets are being frozen.
  absl::Duration store_deadline = absl::Seconds(10);
  int page_targets = job_store::kAppendTargetsMax;  // A multiple of kChunkTargets.
  int promote_max = 100;                            // Due jobs of one look.
  int tries = 5;  // Of a stream or a page that failed, before the lease is left to others.
  absl::Duration retry_after = absl::Milliseconds(200);
};

// Each thread looks for due jobs and takes one resolving job after the other. The position in the target stream is
// stored with each page, so whoever takes the lease next goes on there (rule J3: no target twice).
class Starter {
 public:
  // `on_running` is called, on some thread of the starter, when a job has become ready to be worked on. All arguments
  // outlive this.
  Starter(const StarterOptions& options, job_store::JobStore& store, TargetSource& targets, Clock& clock,
          SchedulerMetrics& metrics, std::function<void()> on_running);
  ~Starter();

  void Start();
  // A job was created: look now. Thread-safe.
  void Hint();
  // Takes no more jobs and joins; a job in work is left at its last page.
  void Stop();

  // One look, on the calling thread: promotes due jobs and resolves until none is left. How many were resolved.
  // Used by the threads and by tests.
  int RunOnce(std::stop_token stop);

 private:
  void Loop(std::stop_token stop);
  // False when the thread should end.
  bool Wait(std::stop_token stop);
  void Promote();
  // True when there was a job to resolve.
  bool ResolveNext(std::stop_token stop);
  absl::Status Resolve(job_store::ResolveLease& lease, std::stop_token stop);
  absl::Status StreamOnce(job_store::ResolveLease& lease, std::stop_token stop);
  // The targets of a job that repeats another one, from the store.
  absl::Status ReadRetried(job_store::ResolveLease& lease, std::stop_token stop);
  // Ends the job when `status` says that its targets can never be known; true when it did.
  bool FailIfHopeless(const job_store::ResolveLease& lease, const absl::Status& status);
  absl::Status Append(job_store::ResolveLease& lease, std::span<const std::string> device_ids, std::stop_token stop);
  void OnResolved(const job_store::ResolveLease& lease, absl::Duration started);
  absl::Time Deadline() { return clock_.Now() + options_.store_deadline; }

  const StarterOptions options_;
  job_store::JobStore& store_;
  TargetSource& targets_;
  Clock& clock_;
  SchedulerMetrics& metrics_;
  const std::function<void()> on_running_;

  Mutex mutex_;
  CondVar changed_;
  int wanted_ GUARDED_BY(mutex_) = 0;  // Threads that should look now.
  absl::Time next_poll_ GUARDED_BY(mutex_) = absl::InfinitePast();
  std::vector<std::jthread> threads_;
};

}  // namespace fleetcast::scheduler
