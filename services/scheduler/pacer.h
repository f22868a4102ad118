// How fast one limited job may start targets, how many it may have in flight, and when it has to stop by itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "libs/job_store/job.h"
#include "libs/model/rollout.h"

namespace fleetcast::scheduler {

// How far a job with these counts is.
RolloutProgress ProgressOf(const job_store::JobCounts& counts);

// One job whose rollout is limited, seen from its owner. The store gives all chunks of such a job to one owner, so the
// counts at the first lease plus the owner's own steps are the counts of the job. Where they are not exact (chunks of
// an earlier owner that are not leased yet, outcomes that an earlier owner records late) too many are taken to be in
// flight, never too few. Pure; `now` is steady time; not thread-safe.
class Pacer {
 public:
  // `counts`: of the job at its first lease. `unit`: targets that can only be started together; 1, or the slice of a
  // twin job. The bucket begins empty: an owner that follows another does not start what that one has just started.
  Pacer(const RolloutPolicy& policy, const job_store::JobCounts& counts, int unit, absl::Duration now);

  // The policy as it is now; nothing is caught up.
  void SetPolicy(const RolloutPolicy& policy, absl::Duration now);
  const RolloutPolicy& policy() const { return policy_; }

  // A chunk was leased that has so many issued targets without an outcome: they are followed one by one from now on.
  // `more_issued`: there may be chunks with such targets that are not leased yet.
  void OnLeased(int in_flight, bool more_issued);
  // A chunk with so many is no longer followed.
  void OnDropped(int in_flight) { elsewhere_ += in_flight; }
  // The counts of the job, read from the store: what the rules about progress go by.
  void OnCounts(const job_store::JobCounts& counts);

  // Targets that may be issued now, out of `ready`, of which `again` were issued before and are tried again; `issued`
  // of the job have no outcome and are followed here. Never more than about 250 ms of the rate at once, and nothing is
  // saved up beyond that.
  int Allowed(int ready, int again, int64_t issued, absl::Duration now);
  // How many of them may be new ones.
  int64_t room() const { return room_; }
  // So many were issued now, `again` of them not for the first time.
  void Started(int targets, int again);

  // A target ended and its outcome is stored.
  void Ended(ExecutionState state, bool is_device_error);

  // Which criterion to stop is met, as far as is known here; look at the counts of the store before acting on it.
  std::optional<std::string> MetAbortCriterion() const { return fleetcast::MetAbortCriterion(policy_, progress_); }
  // Issued targets in chunks that are not held here.
  int64_t elsewhere() const { return elsewhere_; }
  // Targets that are worth having at hand: what may be started in `span` at the present rate, or be in flight at once;
  // infinite without such limits.
  double Wanted(absl::Duration span) const;

 private:
  void Fill(absl::Duration now);
  double BucketMax(double per_second) const;

  RolloutPolicy policy_;
  RolloutProgress progress_;
  const int unit_;
  double bucket_ = 0;  // Targets that may be started at once.
  int64_t room_ = 0;
  absl::Duration filled_;
  int64_t elsewhere_ = 0;
};

}  // namespace fleetcast::scheduler
