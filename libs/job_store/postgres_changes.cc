// Pause, resume and change of jobs.
#include <string>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/job_store/errors.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/postgres_rows.h"

namespace fleetcast::job_store {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

constexpr Statement kFindForChange{"jobs_find_for_change", "SELECT seq, frozen FROM jobs.job WHERE id = $1"};

constexpr Statement kLockOpenChunks{"jobs_lock_open_chunks", R"sql(
SELECT count(*) FROM (
  SELECT FROM jobs.chunk WHERE job_seq = $1 AND state = 0 ORDER BY chunk_no FOR UPDATE) locked)sql"};

// The chunks are locked, in order.
constexpr Statement kVoidLeases{"jobs_void_leases", R"sql(
UPDATE jobs.chunk SET epoch = epoch + 1, lease_until = NULL, owner = NULL WHERE job_seq = $1 AND state = 0)sql"};
constexpr Statement kVoidResolve{"jobs_void_resolve", R"sql(
UPDATE jobs.job SET resolve_epoch = resolve_epoch + 1, resolve_owner = NULL, resolve_lease_until = NULL
WHERE seq = $1)sql"};

constexpr Statement kPause{"jobs_pause",
                           "UPDATE jobs.job SET pause_time = clock_timestamp(), version = version + 1 WHERE seq = $1"};
constexpr Statement kResume{"jobs_resume",
                            "UPDATE jobs.job SET pause_time = NULL, version = version + 1 WHERE seq = $1"};

constexpr Statement kChange{"jobs_change", R"sql(
UPDATE jobs.job SET version = version + 1, priority = $2, limited = $3, maximum_per_minute = $4,
       ramp_base_per_minute = $5, ramp_factor = $6, ramp_notified_step = $7, ramp_succeeded_step = $8,
       in_flight_max = $9, abort_types = $10, abort_percentages = $11, abort_minimums = $12
WHERE seq = $1)sql"};

// Locks a job that has not ended, and its open chunks if it runs.
absl::StatusOr<LockedJob> LockForChange(Transaction& transaction, std::string_view job_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result found, transaction.Run(kFindForChange, job_id));
  if (found.empty()) return NoSuchJob(job_id);
  const auto seq = found[0].Get<int64_t>("seq");
  const bool was_frozen = found[0].Get<bool>("frozen");
  if (was_frozen) FLEETCAST_RETURN_IF_ERROR(transaction.Run(kLockOpenChunks, seq).status());
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<LockedJob> job, LockJob(transaction, seq));
  if (!job.has_value()) return NoSuchJob(job_id);
  if (IsTerminal(job->state) || job->state == JobState::kCancelling || job->stop != StopKind::kNone) {
    return JobFinished(job_id);
  }
  // Frozen since the first look. This breaks the order of locks; a deadlock makes the transaction run again.
  if (!was_frozen && job->state == JobState::kRunning) {
    FLEETCAST_RETURN_IF_ERROR(transaction.Run(kLockOpenChunks, seq).status());
  }
  return *job;
}

// Takes a locked job from whoever works on it.
absl::Status VoidLeases(Transaction& transaction, const LockedJob& job) {
  if (job.state == JobState::kResolving) return transaction.Run(kVoidResolve, job.seq).status();
  if (job.state == JobState::kRunning) return transaction.Run(kVoidLeases, job.seq).status();
  return absl::OkStatus();
}

// Writes what `change` asks for of a locked job. False when nothing differs.
absl::StatusOr<bool> Change(Transaction& transaction, const LockedJob& job, const JobChange& change) {
  FLEETCAST_ASSIGN_OR_RETURN(const Job stored, ReadJobById(transaction, job.id));
  const RolloutPolicy rollout = change.rollout.value_or(stored.spec.rollout);
  const int priority = change.priority.value_or(stored.spec.priority);
  if (rollout == stored.spec.rollout && priority == stored.spec.priority) return false;
  Params params = Params::Of(job.seq, priority);
  AddRollout(params, rollout);
  FLEETCAST_RETURN_IF_ERROR(transaction.Execute(kChange, params).status());
  FLEETCAST_RETURN_IF_ERROR(VoidLeases(transaction, job));
  return true;
}

}  // namespace

absl::StatusOr<StopResult> PostgresJobStore::PauseJob(absl::Time deadline, std::string_view job_id) {
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<StopResult> {
    FLEETCAST_ASSIGN_OR_RETURN(const LockedJob job, LockForChange(transaction, job_id));
    if (!job.is_paused) {
      FLEETCAST_RETURN_IF_ERROR(transaction.Run(kPause, job.seq).status());
      FLEETCAST_RETURN_IF_ERROR(VoidLeases(transaction, job));
    }
    StopResult result;
    FLEETCAST_ASSIGN_OR_RETURN(result.job, ReadJobById(transaction, job_id));
    // Also when it was paused before: perhaps by a call that has just been made, and this has to be as good a barrier.
    result.was_issuing = result.job.counts.running > 0;
    return result;
  });
}

absl::StatusOr<Job> PostgresJobStore::ResumeJob(absl::Time deadline, std::string_view job_id) {
  absl::StatusOr<Job> resumed = pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<Job> {
    FLEETCAST_ASSIGN_OR_RETURN(const LockedJob job, LockForChange(transaction, job_id));
    if (job.is_paused) FLEETCAST_RETURN_IF_ERROR(transaction.Run(kResume, job.seq).status());
    return ReadJobById(transaction, job_id);
  });
  if (resumed.ok()) Notify(deadline, job_id);
  return resumed;
}

absl::StatusOr<StopResult> PostgresJobStore::UpdateJob(absl::Time deadline, std::string_view job_id,
                                                       const JobChange& change) {
  absl::StatusOr<StopResult> changed =
      pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<StopResult> {
        FLEETCAST_ASSIGN_OR_RETURN(const LockedJob job, LockForChange(transaction, job_id));
        if (change.if_version.value_or(job.version) != job.version) return JobHasChanged(job_id);
        FLEETCAST_ASSIGN_OR_RETURN(const bool differs, Change(transaction, job, change));
        StopResult result;
        FLEETCAST_ASSIGN_OR_RETURN(result.job, ReadJobById(transaction, job_id));
        result.was_issuing = differs && result.job.counts.running > 0;
        return result;
      });
  if (changed.ok()) Notify(deadline, job_id);
  return changed;
}

}  // namespace fleetcast::job_store
