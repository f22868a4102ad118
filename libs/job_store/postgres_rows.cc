#include "libs/job_store/postgres_rows.h"

#include <algorithm>
#include <string>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/job_store/errors.h"

namespace fleetcast::job_store {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

// Sorted before they are locked: FOR UPDATE locks in the order of the rows.
constexpr Statement kLockChunks{"jobs_lock_chunks", "SELECT " FLEETCAST_CHUNK_COLUMNS R"sql(
FROM jobs.chunk c JOIN unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no) USING (job_seq, chunk_no)
ORDER BY c.job_seq, c.chunk_no FOR UPDATE OF c)sql"};

constexpr Statement kLockUnfinished{"jobs_lock_unfinished_chunks", "SELECT " FLEETCAST_CHUNK_COLUMNS R"sql(
FROM jobs.chunk c WHERE c.job_seq = $1 AND c.state <> 3 ORDER BY c.chunk_no FOR UPDATE OF c)sql"};

constexpr Statement kEnded{"jobs_ended_positions", R"sql(
SELECT o.job_seq, o.n FROM unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no)
JOIN jobs.outcome o ON o.job_seq = k.job_seq AND o.n >= k.chunk_no * 1000 AND o.n < (k.chunk_no + 1) * 1000
WHERE o.job_seq BETWEEN $3 AND $4)sql"};

constexpr Statement kRetries{"jobs_retries", R"sql(
SELECT a.job_seq, a.n, max(a.retry)::int FROM unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no)
JOIN jobs.attempt a ON a.job_seq = k.job_seq AND a.n >= k.chunk_no * 1000 AND a.n < (k.chunk_no + 1) * 1000
WHERE a.job_seq BETWEEN $3 AND $4 GROUP BY a.job_seq, a.n)sql"};

constexpr Statement kLockJob{"jobs_lock_job", R"sql(
SELECT seq, id, state, stop, pause_time IS NOT NULL AS is_paused, version, target_count, counted
FROM jobs.job WHERE seq = $1 FOR UPDATE)sql"};

constexpr Statement kGetById{"jobs_get_by_id", "SELECT " FLEETCAST_JOB_WITH_COUNTS "WHERE j.id = $1"};

absl::Duration MicrosOrZero(const Row& row, const char* column) {
  return absl::Microseconds(row.Get<std::optional<int64_t>>(column).value_or(0));
}

std::string Text(const Row& row, const char* column) {
  return row.Get<std::optional<std::string>>(column).value_or("");
}

Action ReadAction(const Row& row) {
  if (row.Get<int16_t>("kind") == static_cast<int16_t>(ActionKind::kInvokeMethod)) {
    return MethodAction{Text(row, "method"), Text(row, "payload"), MicrosOrZero(row, "response_timeout_us"),
                        MicrosOrZero(row, "connect_timeout_us"), row.Get<bool>("wait_for_connection")};
  }
  return TwinAction{Text(row, "tags_patch"), Text(row, "desired_patch"), Text(row, "twin_etag")};
}

LockedChunks ReadLocked(const Result& rows) {
  LockedChunks locked;
  for (const Row row : rows) {
    ChunkRow chunk = ReadChunk(row);
    locked.emplace_hint(locked.end(), chunk.chunk.key, std::move(chunk));
  }
  return locked;
}

}  // namespace

Job ReadJob(const Row& row) {
  Job job;
  job.seq = row.Get<int64_t>("seq");
  job.spec.id = row.Get<std::string>("id");
  job.spec.condition = row.Get<std::string>("condition");
  job.spec.action = ReadAction(row);
  job.spec.start_time = row.Get<std::optional<absl::Time>>("start_time");
  job.spec.execution_timeout = MicrosOrZero(row, "execution_timeout_us");
  job.spec.status_message = row.Get<std::string>("status_message");
  job.spec.rollout = ReadRollout(row);
  job.spec.retry = ReadRetry(row);
  job.spec.priority = row.Get<int16_t>("priority");
  job.spec.retried = ReadRetried(row);
  job.state = static_cast<JobState>(row.Get<int16_t>("state"));
  job.failure_reason = row.Get<std::string>("failure_reason");
  job.create_time = row.Get<absl::Time>("create_time");
  job.started_time = row.Get<std::optional<absl::Time>>("started_time");
  job.end_time = row.Get<std::optional<absl::Time>>("end_time");
  job.pause_time = row.Get<std::optional<absl::Time>>("pause_time");
  job.version = row.Get<int64_t>("version");
  return job;
}

Job ReadJobWithCounts(const Row& row) {
  Job job = ReadJob(row);
  JobCounts& counts = job.counts;
  counts.total = row.Get<int64_t>("total");
  counts.pending = row.Get<int64_t>("pending");
  counts.succeeded = row.Get<int64_t>("succeeded");
  counts.failed = row.Get<int64_t>("failed");
  counts.timed_out = row.Get<int64_t>("timed_out");
  counts.canceled = row.Get<int64_t>("canceled");
  counts.device_errors = row.Get<int64_t>("device_errors");
  counts.running =
      counts.total - counts.pending - counts.succeeded - counts.failed - counts.timed_out - counts.canceled;
  return job;
}

JobFacts ReadJobFacts(const Row& row) {
  JobFacts facts;
  facts.seq = row.Get<int64_t>("seq");
  facts.id = row.Get<std::string>("id");
  facts.kind = static_cast<ActionKind>(row.Get<int16_t>("kind"));
  facts.create_time = row.Get<absl::Time>("create_time");
  facts.stop = static_cast<StopKind>(row.Get<int16_t>("stop"));
  facts.stop_time = row.Get<std::optional<absl::Time>>("stop_time");
  return facts;
}

ChunkRow ReadChunk(const Row& row) {
  ChunkRow result;
  Chunk& chunk = result.chunk;
  chunk.key = {row.Get<int64_t>("job_seq"), row.Get<int32_t>("chunk_no")};
  chunk.size = row.Get<int16_t>("size");
  chunk.state = static_cast<ChunkState>(row.Get<int16_t>("chunk_state"));
  chunk.epoch = row.Get<int64_t>("epoch");
  chunk.issued = PositionSet::FromBitText(row.Get<std::string_view>("issued"));
  chunk.succeeded = row.Get<int16_t>("succeeded");
  chunk.failed = row.Get<int16_t>("failed");
  chunk.timed_out = row.Get<int16_t>("timed_out");
  chunk.canceled = row.Get<int16_t>("canceled");
  chunk.device_errors = row.Get<int16_t>("device_errors");
  result.last_issue_time = row.Get<std::optional<absl::Time>>("last_issue_time");
  result.closed_time = row.Get<std::optional<absl::Time>>("closed_time");
  return result;
}

Outcome ReadOutcome(const Row& row) {
  Outcome outcome;
  outcome.state = static_cast<ExecutionState>(row.Get<int16_t>("outcome_state"));
  outcome.device_status = row.Get<std::optional<int32_t>>("device_status");
  outcome.payload = row.GetBytes("answer");
  outcome.error_code = row.Get<int32_t>("error_code");
  outcome.error_reason = Text(row, "error_reason");
  outcome.start_time = row.Get<std::optional<absl::Time>>("issue_time");
  outcome.end_time = row.Get<absl::Time>("outcome_time");
  return outcome;
}

ChunkKeyColumns::ChunkKeyColumns(std::span<const ChunkKey> keys) {
  for (const ChunkKey& key : keys) {
    job_seqs.push_back(key.job_seq);
    chunk_nos.push_back(key.chunk_no);
  }
  if (job_seqs.empty()) return;
  seq_min = *std::min_element(job_seqs.begin(), job_seqs.end());
  seq_max = *std::max_element(job_seqs.begin(), job_seqs.end());
}

absl::StatusOr<LockedChunks> LockChunks(Transaction& transaction, std::span<const ChunkKey> keys) {
  std::vector<ChunkKey> unique(keys.begin(), keys.end());
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  const ChunkKeyColumns columns(unique);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kLockChunks, columns.job_seqs, columns.chunk_nos));
  return ReadLocked(rows);
}

absl::StatusOr<LockedChunks> LockUnfinishedChunks(Transaction& transaction, int64_t job_seq) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kLockUnfinished, job_seq));
  return ReadLocked(rows);
}

absl::StatusOr<std::map<ChunkKey, PositionSet>> ReadEnded(Transaction& transaction, std::span<const ChunkKey> keys) {
  std::map<ChunkKey, PositionSet> ended;
  if (keys.empty()) return ended;
  const ChunkKeyColumns columns(keys);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kEnded, columns.job_seqs, columns.chunk_nos,
                                                                columns.seq_min, columns.seq_max));
  for (const Row row : rows) {
    const auto n = row.Get<int32_t>(1);
    ended[{row.Get<int64_t>(0), n / kChunkTargets}].Insert(n % kChunkTargets);
  }
  return ended;
}

absl::StatusOr<std::map<ChunkKey, std::map<int, int>>> ReadRetries(Transaction& transaction,
                                                                   std::span<const ChunkKey> keys) {
  std::map<ChunkKey, std::map<int, int>> retries;
  if (keys.empty()) return retries;
  const ChunkKeyColumns columns(keys);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kRetries, columns.job_seqs, columns.chunk_nos,
                                                                columns.seq_min, columns.seq_max));
  for (const Row row : rows) {
    const auto n = row.Get<int32_t>(1);
    retries[{row.Get<int64_t>(0), n / kChunkTargets}].emplace(n % kChunkTargets, row.Get<int32_t>(2));
  }
  return retries;
}

absl::StatusOr<Job> ReadJobById(Transaction& transaction, std::string_view job_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kGetById, job_id));
  if (rows.empty()) return NoSuchJob(job_id);
  return ReadJobWithCounts(rows[0]);
}

absl::StatusOr<std::optional<LockedJob>> LockJob(Transaction& transaction, int64_t seq) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kLockJob, seq));
  if (rows.empty()) return std::optional<LockedJob>();
  const Row row = rows[0];
  return std::optional<LockedJob>(
      {row.Get<int64_t>("seq"), row.Get<std::string>("id"), static_cast<JobState>(row.Get<int16_t>("state")),
       static_cast<StopKind>(row.Get<int16_t>("stop")), row.Get<bool>("is_paused"), row.Get<int64_t>("version"),
       row.Get<int64_t>("target_count"), row.Get<bool>("counted")});
}

}  // namespace fleetcast::job_store
