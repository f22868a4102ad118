#include "services/scheduler/job_checker.h"

#include <string>
#include <utility>

#include "libs/telemetry/log.h"
#include "services/scheduler/store_retry.h"

namespace fleetcast::scheduler {
namespace {

// Nothing is issued any more, and nobody will lease a chunk of it.
bool IsOver(const job_store::Job& job, absl::Time now) {
  return IsTerminal(job.state) || job.state == JobState::kCancelling ||
         job.deadline().value_or(absl::InfiniteFuture()) <= now;
}

}  // namespace

void JobChecker::StopFailing() {
  if (context_.now.steady < not_before_) return;
  chunks_.ForEachJob([this](HeldJob& job) {
    if (job.is_stopping || !job.pacer.has_value() || !job.pacer->MetAbortCriterion().has_value()) return;
    job.is_stopping = true;  // Nothing more is started meanwhile.
    Check(job.seq, job.id);
  });
}

void JobChecker::Check(int64_t job_seq, const std::string& job_id) {
  context_.CallStore(
      [job_id](job_store::JobStore& store, absl::Time deadline) { return store.GetJob(deadline, job_id); },
      [this, job_seq, job_id](const absl::StatusOr<job_store::Job>& job) {
        HeldJob* held = chunks_.FindJob(job_seq);
        if (!job.ok()) {
          context_.metrics.store_failures.With({"check"}).Add();
          not_before_ = context_.now.steady + kStorePause;
          if (held != nullptr) held->is_stopping = false;
          return;
        }
        if (held != nullptr && held->pacer.has_value()) held->pacer->OnCounts(job->counts);
        if (IsOver(*job, context_.now.wall)) {  // Its chunks are lost, which shows soon.
          context_.leases_void = true;
          return;
        }
        const auto reason = MetAbortCriterion(job->spec.rollout, ProgressOf(job->counts));
        if (reason.has_value()) return Cancel(job_seq, job_id, *reason);
        if (held != nullptr) held->is_stopping = false;
      });
}

void JobChecker::Cancel(int64_t job_seq, const std::string& job_id, const std::string& reason) {
  job_store::CancelRequest request;
  request.job_id = job_id;
  request.drain = context_.options.cancel_drain;
  request.reason = reason;
  context_.CallStore(
      [request](job_store::JobStore& store, absl::Time deadline) { return store.CancelJob(deadline, request); },
      [this, job_seq, job_id, reason](const absl::StatusOr<job_store::StopResult>& stopped) {
        if (stopped.ok()) {
          FLEETCAST_LOG(kWarning, "job cancelled by its abort criteria", {{"job_id", job_id}, {"reason", reason}});
          context_.metrics.jobs_aborted.Add();
          context_.leases_void = true;
          return;
        }
        // It has ended by itself, or the database is away: then it is tried again.
        not_before_ = context_.now.steady + kStorePause;
        FLEETCAST_LOG_EVERY(kWarning, kLogEvery, "job not cancelled",
                            {{"job_id", job_id}, {"error", stopped.status()}});
        if (HeldJob* held = chunks_.FindJob(job_seq)) held->is_stopping = false;
      });
}

void JobChecker::JudgeLost() {
  for (const job_store::ChunkKey& key : chunks_.TakeUnjudged()) to_judge_.push_back(key);
  if (to_judge_.empty() || context_.now.steady < not_before_) return;
  for (const job_store::ChunkKey& key : std::exchange(to_judge_, {})) {
    const HeldChunk* held = chunks_.Find(key);
    if (held == nullptr || held->method == nullptr || !held->judging) continue;
    context_.CallStore(
        [job_id = held->job->id](job_store::JobStore& store, absl::Time deadline) {
          return store.GetJob(deadline, job_id);
        },
        [this, key, serial = held->serial](const absl::StatusOr<job_store::Job>& job) { OnJudged(key, serial, job); });
  }
}

void JobChecker::OnJudged(const job_store::ChunkKey& key, int64_t serial, const absl::StatusOr<job_store::Job>& job) {
  HeldChunk* held = chunks_.FindSerial(serial);
  if (held == nullptr) return;
  if (!job.ok() && !absl::IsNotFound(job.status())) {
    context_.metrics.store_failures.With({"check"}).Add();
    not_before_ = context_.now.steady + kStorePause;
    to_judge_.push_back(key);
    return;
  }
  held->judging = false;
  ChunkActions actions;
  held->method->Judge(job.ok() && IsOver(*job, context_.now.wall), actions);
  chunks_.Act(*held, actions);
}

}  // namespace fleetcast::scheduler
