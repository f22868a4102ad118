// How targets end: by an outcome, or by time.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/postgres_rows.h"

namespace fleetcast::job_store {
namespace {

using postgres::Bytes;
using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

// DO NOTHING makes the primary key the rule: the first outcome stands. It also skips repeats within one batch.
constexpr Statement kInsert{"jobs_insert_outcomes", R"sql(
INSERT INTO jobs.outcome (job_seq, n, state, device_status, error_code, error_reason, payload, start_time, end_time)
SELECT * FROM unnest($1::bigint[], $2::int[], $3::smallint[], $4::int[], $5::int[], $6::text[], $7::bytea[],
                     $8::timestamptz[], $9::timestamptz[])
ON CONFLICT DO NOTHING RETURNING job_seq, n, state)sql"};

constexpr Statement kFindLate{"jobs_find_late", R"sql(
SELECT seq FROM jobs.job WHERE state IN (3, 4, 5) AND state <> 5 AND stop = 0 AND deadline <= now()
ORDER BY seq LIMIT $1)sql"};

constexpr Statement kFindDrained{"jobs_find_drained", R"sql(
SELECT seq FROM jobs.job WHERE state IN (3, 4, 5) AND stop <> 0 AND drain_until <= now() ORDER BY seq LIMIT $1)sql"};

constexpr Statement kExpire{"jobs_expire", R"sql(
UPDATE jobs.job SET stop = 2, stop_time = clock_timestamp(), drain_until = now() + $2::interval, version = version + 1
WHERE seq = $1)sql"};

constexpr Statement kFailLate{"jobs_fail_late", R"sql(
UPDATE jobs.job SET state = $2, failure_reason = 'The execution time was over before the target devices were known.',
       end_time = clock_timestamp(), version = version + 1 WHERE seq = $1)sql"};
constexpr Statement kDropChunks{"jobs_drop_late_chunks", "DELETE FROM jobs.chunk WHERE job_seq = $1"};
constexpr Statement kDropTargets{"jobs_drop_late_targets", "DELETE FROM jobs.chunk_target WHERE job_seq = $1"};

// Columns of outcomes for kInsert.
struct OutcomeColumns {
  void Add(const Outcome& outcome) {
    job_seqs.push_back(outcome.lease.key.job_seq);
    ns.push_back(outcome.lease.key.chunk_no * kChunkTargets + outcome.position);
    states.push_back(static_cast<int>(outcome.state));
    device_statuses.push_back(outcome.device_status);
    error_codes.push_back(outcome.error_code);
    error_reasons.push_back(outcome.error_reason.empty() ? std::nullopt : std::optional(outcome.error_reason));
    payloads.push_back(outcome.payload.empty() ? std::nullopt : std::optional(Bytes{outcome.payload}));
    start_times.push_back(outcome.start_time);
    end_times.push_back(outcome.end_time);
  }

  std::vector<int64_t> job_seqs;
  std::vector<int32_t> ns;
  std::vector<int> states;
  std::vector<std::optional<int32_t>> device_statuses;
  std::vector<int32_t> error_codes;
  std::vector<std::optional<std::string>> error_reasons;
  std::vector<std::optional<Bytes>> payloads;
  std::vector<std::optional<absl::Time>> start_times;
  std::vector<absl::Time> end_times;
};

// Inserts those of `outcomes` that `locked` accepts, and counts them there.
absl::StatusOr<std::map<ChunkKey, Chunk>> InsertAndCount(Transaction& transaction, std::span<const Outcome> outcomes,
                                                         LockedChunks& locked, RecordResult& result) {
  OutcomeColumns columns;
  for (const Outcome& outcome : outcomes) {
    const auto found = locked.find(outcome.lease.key);
    if (found != locked.end() && Accepts(found->second.chunk, outcome)) {
      columns.Add(outcome);
    } else {
      ++result.refused;
    }
  }
  std::map<ChunkKey, Chunk> changed;
  if (columns.ns.empty()) return changed;
  FLEETCAST_ASSIGN_OR_RETURN(const Result inserted,
                             transaction.Run(kInsert, columns.job_seqs, columns.ns, columns.states,
                                             columns.device_statuses, columns.error_codes, columns.error_reasons,
                                             columns.payloads, columns.start_times, columns.end_times));
  result.recorded = inserted.size();
  result.repeated = static_cast<int>(columns.ns.size()) - inserted.size();
  for (const Row row : inserted) {
    const auto n = row.Get<int32_t>(1);
    const ChunkKey key{row.Get<int64_t>(0), n / kChunkTargets};
    Chunk& chunk = changed.try_emplace(key, locked.at(key).chunk).first->second;
    Count(chunk, n % kChunkTargets, static_cast<ExecutionState>(row.Get<int16_t>(2)), /*is_device_error=*/false);
  }
  return changed;
}

// Stops a job whose execution time is over, or fails it when its targets are not even known. Adds it to `result`.
absl::Status ExpireOne(Transaction& transaction, int64_t seq, absl::Duration grace, ExpireResult& result) {
  FLEETCAST_ASSIGN_OR_RETURN(LockedChunks chunks, LockUnfinishedChunks(transaction, seq));
  FLEETCAST_ASSIGN_OR_RETURN(std::optional<LockedJob> job, LockJob(transaction, seq));
  if (!job.has_value() || job->stop != StopKind::kNone) return absl::OkStatus();
  if (job->state == JobState::kResolving) {
    const JobState failed = *NextJobState(job->state, JobEvent::kFailed);
    FLEETCAST_RETURN_IF_ERROR(transaction.Run(kDropChunks, seq).status());
    FLEETCAST_RETURN_IF_ERROR(transaction.Run(kDropTargets, seq).status());
    FLEETCAST_RETURN_IF_ERROR(transaction.Run(kFailLate, seq, static_cast<int>(failed)).status());
    result.ended_jobs.push_back(job->id);
  } else if (job->state == JobState::kRunning) {
    FLEETCAST_RETURN_IF_ERROR(transaction.Run(kExpire, seq, grace).status());
    std::map<ChunkKey, Chunk> stopped;
    for (auto& [key, row] : chunks) {
      Stop(row.chunk, StopKind::kExpired);
      stopped.emplace(key, row.chunk);
    }
    FLEETCAST_ASSIGN_OR_RETURN(Endings endings, SaveAndEnd(transaction, std::move(stopped)));
    std::move(endings.ended_jobs.begin(), endings.ended_jobs.end(), std::back_inserter(result.ended_jobs));
  } else {
    return absl::OkStatus();
  }
  ++result.expired;
  return absl::OkStatus();
}

// Gives up what is unanswered in a cancelled or expired job. Adds it to `result`.
absl::Status SettleOne(Transaction& transaction, int64_t seq, ExpireResult& result) {
  FLEETCAST_ASSIGN_OR_RETURN(LockedChunks chunks, LockUnfinishedChunks(transaction, seq));
  std::map<ChunkKey, Chunk> settled;
  for (auto& [key, row] : chunks) {
    Settle(row.chunk);
    settled.emplace(key, row.chunk);
  }
  FLEETCAST_ASSIGN_OR_RETURN(Endings endings, SaveAndEnd(transaction, std::move(settled)));
  std::move(endings.ended_jobs.begin(), endings.ended_jobs.end(), std::back_inserter(result.ended_jobs));
  ++result.settled;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RecordResult> PostgresJobStore::RecordOutcomes(absl::Time deadline, std::span<const Outcome> outcomes) {
  if (outcomes.empty()) return RecordResult();
  if (outcomes.size() > kRecordOutcomesMax) return absl::InvalidArgumentError("more than kRecordOutcomesMax at once");
  std::vector<ChunkKey> keys;
  for (const Outcome& outcome : outcomes) keys.push_back(outcome.lease.key);
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<RecordResult> {
    RecordResult result;
    FLEETCAST_ASSIGN_OR_RETURN(LockedChunks locked, LockChunks(transaction, keys));
    FLEETCAST_ASSIGN_OR_RETURN(auto changed, InsertAndCount(transaction, outcomes, locked, result));
    FLEETCAST_ASSIGN_OR_RETURN(Endings endings, SaveAndEnd(transaction, std::move(changed)));
    result.closed_chunks = std::move(endings.closed_chunks);
    result.ended_jobs = std::move(endings.ended_jobs);
    return result;
  });
}

absl::StatusOr<ExpireResult> PostgresJobStore::ExpireJobs(absl::Time deadline, absl::Duration grace, int limit) {
  ExpireResult total;
  FLEETCAST_ASSIGN_OR_RETURN(const Result late, pool_.Run(deadline, kFindLate, limit));
  FLEETCAST_ASSIGN_OR_RETURN(const Result drained, pool_.Run(deadline, kFindDrained, limit));
  // One transaction per job: each may write thousands of chunks.
  for (const Row row : late) {
    FLEETCAST_ASSIGN_OR_RETURN(total,
                               pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<ExpireResult> {
                                 ExpireResult result = total;
                                 FLEETCAST_RETURN_IF_ERROR(ExpireOne(transaction, row.Get<int64_t>(0), grace, result));
                                 return result;
                               }));
  }
  for (const Row row : drained) {
    FLEETCAST_ASSIGN_OR_RETURN(total,
                               pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<ExpireResult> {
                                 ExpireResult result = total;
                                 FLEETCAST_RETURN_IF_ERROR(SettleOne(transaction, row.Get<int64_t>(0), result));
                                 return result;
                               }));
  }
  return total;
}

}  // namespace fleetcast::job_store
