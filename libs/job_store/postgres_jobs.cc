// The job resource: create, read, list, cancel.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/job_store/errors.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/postgres_rows.h"
#include "libs/job_store/postgres_saving.h"

namespace fleetcast::job_store {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

constexpr Statement kInsertJob{"jobs_insert", R"sql(
INSERT INTO jobs.job (id, request_id, request_hash, condition, kind, method, payload, response_timeout_us,
                      connect_timeout_us, tags_patch, desired_patch, twin_etag, status_message, start_time, due_time,
                      execution_timeout_us, state, wait_for_connection, priority,
                      limited, maximum_per_minute, ramp_base_per_minute, ramp_factor, ramp_notified_step,
                      ramp_succeeded_step, in_flight_max, abort_types, abort_percentages, abort_minimums,
                      retry_idempotent, retry_types, retry_numbers, backoff_min_us, backoff_max_us,
                      retried_job_id, retried_states, retried_device_errors)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, coalesce($14, now()), $15, $16, $17, $18,
        $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36)
ON CONFLICT DO NOTHING RETURNING seq)sql"};

constexpr Statement kFindClash{"jobs_find_clash", R"sql(
SELECT id, request_hash FROM jobs.job WHERE id = $1 OR request_id = $2 ORDER BY id = $1 DESC LIMIT 1)sql"};

constexpr Statement kGetJob{"jobs_get", "SELECT " FLEETCAST_JOB_WITH_COUNTS "WHERE j.id = $1"};

constexpr Statement kListJobs{"jobs_list", "SELECT " FLEETCAST_JOB_WITH_COUNTS R"sql(
WHERE ($1::bigint IS NULL OR j.seq < $1) AND ($2::smallint IS NULL OR j.kind = $2)
  AND (cardinality($3::smallint[]) = 0 OR j.state = ANY ($3))
ORDER BY j.seq DESC LIMIT $4)sql"};

constexpr Statement kCountActive{"jobs_count_active", R"sql(
SELECT (SELECT count(*) FROM jobs.job WHERE state IN (1, 2))
     + (SELECT count(*) FROM jobs.job WHERE state IN (3, 4, 5)))sql"};

constexpr Statement kFindSeq{"jobs_find_seq", "SELECT seq, frozen FROM jobs.job WHERE id = $1"};

constexpr Statement kStop{"jobs_stop", R"sql(
UPDATE jobs.job SET state = $2, stop = 1, stop_time = clock_timestamp(), drain_until = now() + $3::interval,
       end_time = CASE WHEN $4 THEN clock_timestamp() END, failure_reason = $5, pause_time = NULL, version = version + 1
WHERE seq = $1)sql"};

constexpr Statement kNotify{"jobs_notify", "SELECT pg_notify($1, $2)"};

absl::StatusOr<Result> Insert(Transaction& transaction, const CreateRequest& request) {
  const JobSpec& spec = request.spec;
  std::optional<std::string> method, payload, tags_patch, desired_patch, etag;
  std::optional<int64_t> response_timeout, connect_timeout;
  bool wait_for_connection = false;
  if (const auto* invoke = std::get_if<MethodAction>(&spec.action)) {
    method = invoke->method;
    payload = invoke->payload;
    response_timeout = absl::ToInt64Microseconds(invoke->response_timeout);
    connect_timeout = absl::ToInt64Microseconds(invoke->connect_timeout);
    wait_for_connection = invoke->wait_for_connection;
  } else {
    const auto& update = std::get<TwinAction>(spec.action);
    tags_patch = update.tags_patch;
    desired_patch = update.desired_patch;
    etag = update.etag;
  }
  const std::optional<std::string> request_id =
      request.request_id.empty() ? std::nullopt : std::optional(request.request_id);
  Params params = Params::Of(spec.id, request_id, postgres::Bytes{request.request_hash}, spec.condition,
                             static_cast<int>(KindOf(spec.action)), method, payload, response_timeout, connect_timeout,
                             tags_patch, desired_patch, etag, spec.status_message, spec.start_time,
                             absl::ToInt64Microseconds(spec.execution_timeout), static_cast<int>(JobState::kQueued),
                             wait_for_connection, spec.priority);
  AddRollout(params, spec.rollout);
  AddRetry(params, spec.retry);
  AddRetried(params, spec.retried);
  return transaction.Execute(kInsertJob, params);
}

// A job that is to be cancelled, with its unfinished chunks if it runs; all locked.
struct Cancellable {
  LockedJob job;
  LockedChunks chunks;
};

absl::StatusOr<Cancellable> LockForCancel(Transaction& transaction, std::string_view job_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result found, transaction.Run(kFindSeq, job_id));
  if (found.empty()) return NoSuchJob(job_id);
  const auto seq = found[0].Get<int64_t>("seq");
  const bool was_frozen = found[0].Get<bool>("frozen");
  Cancellable locked;
  if (was_frozen) {
    FLEETCAST_ASSIGN_OR_RETURN(locked.chunks, LockUnfinishedChunks(transaction, seq));
  }
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<LockedJob> job, LockJob(transaction, seq));
  if (!job.has_value()) return NoSuchJob(job_id);
  locked.job = *job;
  // Frozen since the first look. This breaks the order of locks; a deadlock makes the transaction run again.
  if (!was_frozen && job->state == JobState::kRunning) {
    FLEETCAST_ASSIGN_OR_RETURN(locked.chunks, LockUnfinishedChunks(transaction, seq));
  }
  return locked;
}

// Stops `locked`, whose state becomes `next`. True when something may be under way to a device.
absl::StatusOr<bool> Cancel(Transaction& transaction, Cancellable& locked, JobState next,
                            const CancelRequest& request) {
  bool was_issuing = false;
  std::map<ChunkKey, Chunk> stopped;
  for (const auto& [key, row] : locked.chunks) {
    Chunk& chunk = stopped.emplace(key, row.chunk).first->second;
    Stop(chunk, StopKind::kCancelled);
    was_issuing |= chunk.running() > 0;
  }
  FLEETCAST_RETURN_IF_ERROR(SaveChunks(transaction, locked.chunks, stopped));
  LockedJob& job = locked.job;
  if (IsTerminal(next)) {
    FLEETCAST_RETURN_IF_ERROR(DropTargets(transaction, job.seq));
  }
  FLEETCAST_RETURN_IF_ERROR(
      transaction.Run(kStop, job.seq, static_cast<int>(next), request.drain, IsTerminal(next), request.reason)
          .status());
  job.state = next;
  job.stop = StopKind::kCancelled;
  FLEETCAST_RETURN_IF_ERROR(EndIfComplete(transaction, job).status());
  return was_issuing;
}

}  // namespace

absl::StatusOr<CreateResult> PostgresJobStore::CreateJob(absl::Time deadline, const CreateRequest& request) {
  absl::StatusOr<CreateResult> result =
      pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<CreateResult> {
        CreateResult created;
        if (!request.only_repeat) {
          FLEETCAST_ASSIGN_OR_RETURN(const Result inserted, Insert(transaction, request));
          created.created = !inserted.empty();
        }
        std::string id = request.spec.id;
        if (!created.created) {
          FLEETCAST_ASSIGN_OR_RETURN(const Result clash, transaction.Run(kFindClash, id, request.request_id));
          if (clash.empty() && request.only_repeat) return NoSuchJob(id);
          if (clash.empty() || clash[0].GetBytes("request_hash") != request.request_hash) return JobAlreadyExists(id);
          id = clash[0].Get<std::string>("id");
        }
        FLEETCAST_ASSIGN_OR_RETURN(created.job, ReadJobById(transaction, id));
        return created;
      });
  if (result.ok() && result->created) Notify(deadline, request.spec.id);
  return result;
}

absl::StatusOr<Job> PostgresJobStore::GetJob(absl::Time deadline, std::string_view job_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kGetJob, job_id));
  if (rows.empty()) return NoSuchJob(job_id);
  return ReadJobWithCounts(rows[0]);
}

absl::StatusOr<Page<Job, int64_t>> PostgresJobStore::ListJobs(absl::Time deadline, const ListJobsRequest& request) {
  const int limit = std::clamp(request.page_size, 1, kPageSizeMax);
  const std::optional<int> kind =
      request.kind.has_value() ? std::optional(static_cast<int>(*request.kind)) : std::nullopt;
  std::vector<int> states;
  for (const JobState state : request.states) states.push_back(static_cast<int>(state));
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows,
                             pool_.Run(deadline, kListJobs, request.before_seq, kind, states, limit + 1));
  Page<Job, int64_t> page;
  for (const Row row : rows) page.entries.push_back(ReadJobWithCounts(row));
  if (static_cast<int>(page.entries.size()) > limit) {
    page.entries.pop_back();
    page.next = page.entries.back().seq;
  }
  return page;
}

absl::StatusOr<int64_t> PostgresJobStore::CountActive(absl::Time deadline) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kCountActive));
  return rows[0].Get<int64_t>(0);
}

absl::StatusOr<StopResult> PostgresJobStore::CancelJob(absl::Time deadline, const CancelRequest& request) {
  const std::string& job_id = request.job_id;
  absl::StatusOr<StopResult> result =
      pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<StopResult> {
        FLEETCAST_ASSIGN_OR_RETURN(Cancellable locked, LockForCancel(transaction, job_id));
        StopResult cancelled;
        if (locked.job.state == JobState::kCancelling) {
          cancelled.was_issuing = true;
        } else {
          const std::optional<JobState> next = NextJobState(locked.job.state, JobEvent::kCancelRequested);
          if (!next.has_value() || locked.job.stop == StopKind::kExpired) return JobFinished(job_id);
          const bool has_started = locked.job.state == JobState::kResolving || locked.job.state == JobState::kRunning;
          if (request.reject_running && has_started) return JobRunning(job_id);
          FLEETCAST_ASSIGN_OR_RETURN(cancelled.was_issuing, Cancel(transaction, locked, *next, request));
        }
        FLEETCAST_ASSIGN_OR_RETURN(cancelled.job, ReadJobById(transaction, job_id));
        return cancelled;
      });
  if (result.ok()) Notify(deadline, job_id);
  return result;
}

void PostgresJobStore::Notify(absl::Time deadline, std::string_view job_id) {
  pool_.Run(deadline, kNotify, kNotifyChannel, job_id).IgnoreError();
}

}  // namespace fleetcast::job_store
