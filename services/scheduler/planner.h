// Who may issue next: deficit round robin over jobs, weighted by their priority.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "libs/model/rollout.h"
#include "services/scheduler/chunk_run.h"

namespace fleetcast::scheduler {

// May one of several users of a common capacity take more? Yes while it holds less than `factor` times what is free
// ("dynamic threshold"). One user alone may hold factor/(1+factor) of the capacity, and whoever comes later always
// finds something free: a small job never waits for a big one with silent devices (rule J13).
constexpr bool MayTakeMore(int64_t held, int64_t free, int64_t factor = 8) { return free > 0 && held < factor * free; }

// One turn of one job.
struct Turn {
  int64_t job_seq = 0;
  int targets = 0;  // At most; >= 1.
};

// What a job is granted in a round, in targets, where a job of default priority gets one turn of `turn_max`; at least a
// few, however low its priority.
int QuantumOf(int priority, int turn_max = kSubBatchTargets);

// Fair choice among jobs that have something ready. Each turn is at most `turn_max` targets; what a job was granted and
// could not use because the credit was short is kept for its next turn. Pure, not thread-safe.
class Planner {
 public:
  explicit Planner(int turn_max = kSubBatchTargets) : turn_max_(turn_max) {}

  // How many targets of the job could be issued right now; 0 takes it out of the round.
  void SetReady(int64_t job_seq, int ready);
  // The job's share of the turns, relative to others: doubles with each step of priority.
  void SetPriority(int64_t job_seq, int priority);
  // How many targets it may start now at most, until the next call; nullopt = any number (at first).
  void SetPace(int64_t job_seq, std::optional<int> allowed);
  // The job is gone.
  void Forget(int64_t job_seq);

  // Calls of the job that are in flight or about to be.
  void Took(int64_t job_seq, int targets) { jobs_[job_seq].in_flight += targets; }
  void Released(int64_t job_seq, int targets);
  int64_t in_flight(int64_t job_seq) const;

  // The next turn, given how many targets the next hop would still take; nullopt when nothing is ready or allowed.
  // The job's ready count and deficit are charged; call Took when the turn was used.
  std::optional<Turn> Next(int64_t free);

  // How many jobs have something ready.
  size_t ready_jobs() const { return round_.size(); }

 private:
  struct Job {
    int ready = 0;
    int deficit = 0;
    int priority = kPriorityDefault;
    std::optional<int> pace;
    int64_t in_flight = 0;
    bool in_round = false;
  };

  const int turn_max_;
  absl::flat_hash_map<int64_t, Job> jobs_;
  std::deque<int64_t> round_;  // Jobs with something ready, the next one first. May name forgotten jobs.
};

}  // namespace fleetcast::scheduler
