#include "libs/job_store/postgres_saving.h"

#include <optional>
#include <set>
#include <utility>

#include "libs/base/status_macros.h"

namespace fleetcast::job_store {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

constexpr Statement kAddCounters{"jobs_add_counters", R"sql(
INSERT INTO jobs.counter (job_seq, stripe, pending)
SELECT $1, s, CASE WHEN s = 0 THEN $2::int ELSE 0 END FROM generate_series(0, $3 - 1) AS s)sql"};
constexpr Statement kDropChunks{"jobs_drop_chunks", "DELETE FROM jobs.chunk WHERE job_seq = $1"};
constexpr Statement kDropTargets{"jobs_drop_targets", "DELETE FROM jobs.chunk_target WHERE job_seq = $1"};
constexpr Statement kDropCounters{"jobs_drop_counters", "DELETE FROM jobs.counter WHERE job_seq = $1"};

// The chunks are locked. Gives the jobs whose counters are all held by other transactions; they are not changed.
constexpr Statement kSaveChunks{"jobs_save_chunks", R"sql(
WITH saved AS (
  UPDATE jobs.chunk c SET
    turn = NOT c.turn, state = v.state, epoch = v.epoch, issued = v.issued,
    succeeded = v.succeeded, failed = v.failed, timed_out = v.timed_out, canceled = v.canceled,
    device_errors = v.device_errors,
    owner = CASE WHEN v.state = 0 THEN c.owner END,
    lease_until = CASE WHEN v.state = 0 THEN c.lease_until END,
    last_issue_time = CASE WHEN $11 THEN now() ELSE c.last_issue_time END,
    closed_time = CASE WHEN v.state = 3 THEN now() END
  FROM unnest($1::bigint[], $2::int[], $3::smallint[], $4::bigint[], $5::bit(1000)[],
              $6::smallint[], $7::smallint[], $8::smallint[], $9::smallint[], $10::smallint[])
    AS v (job_seq, chunk_no, state, epoch, issued, succeeded, failed, timed_out, canceled, device_errors)
  WHERE c.job_seq = v.job_seq AND c.chunk_no = v.chunk_no),
growth AS (
  SELECT * FROM unnest($12::bigint[], $13::int[], $14::int[], $15::int[], $16::int[], $17::int[], $18::int[])
    AS g (job_seq, pending, succeeded, failed, timed_out, canceled, device_errors)),
free AS MATERIALIZED (
  SELECT g.*, s.stripe FROM growth g CROSS JOIN LATERAL (
    SELECT s.stripe FROM jobs.counter s WHERE s.job_seq = g.job_seq
    ORDER BY s.stripe LIMIT 1 FOR UPDATE SKIP LOCKED) s),
counted AS (
  UPDATE jobs.counter s SET
    pending = s.pending + f.pending, succeeded = s.succeeded + f.succeeded, failed = s.failed + f.failed,
    timed_out = s.timed_out + f.timed_out, canceled = s.canceled + f.canceled,
    device_errors = s.device_errors + f.device_errors
  FROM free f WHERE s.job_seq = f.job_seq AND s.stripe = f.stripe RETURNING s.job_seq)
SELECT g.job_seq FROM growth g
WHERE NOT EXISTS (SELECT FROM counted d WHERE d.job_seq = g.job_seq)
  AND EXISTS (SELECT FROM jobs.counter s WHERE s.job_seq = g.job_seq))sql"};

// Waits for a counter.
constexpr Statement kCount{"jobs_count", R"sql(
UPDATE jobs.counter s SET
  pending = s.pending + $2, succeeded = s.succeeded + $3, failed = s.failed + $4, timed_out = s.timed_out + $5,
  canceled = s.canceled + $6, device_errors = s.device_errors + $7
WHERE s.job_seq = $1 AND s.stripe = pg_backend_pid() % $8)sql"};

constexpr Statement kSumCounters{"jobs_sum_counters", R"sql(
SELECT coalesce(sum(succeeded + failed + timed_out + canceled), 0) AS ended
FROM jobs.counter WHERE job_seq = $1)sql"};

constexpr Statement kSumChunks{"jobs_sum_chunks", R"sql(
SELECT count(*) FILTER (WHERE state <> 3) AS unfinished,
       coalesce(sum(size - bit_count(issued)), 0)::bigint AS untouched,
       coalesce(sum(succeeded), 0) AS succeeded, coalesce(sum(failed), 0) AS failed,
       coalesce(sum(timed_out), 0) AS timed_out, coalesce(sum(canceled), 0) AS canceled,
       coalesce(sum(device_errors), 0) AS device_errors
FROM jobs.chunk WHERE job_seq = $1)sql"};

constexpr Statement kEndJob{"jobs_end_job", R"sql(
UPDATE jobs.job SET state = $2, failure_reason = CASE WHEN $3 = '' THEN failure_reason ELSE $3 END,
       succeeded = $4, failed = $5, timed_out = $6, canceled = $7, device_errors = $8, pause_time = NULL,
       end_time = clock_timestamp(), version = version + 1
WHERE seq = $1)sql"};

// Chunks as the columns of kSaveChunks.
struct ChunkColumns {
  explicit ChunkColumns(const std::map<ChunkKey, Chunk>& chunks) {
    for (const auto& [key, chunk] : chunks) {
      job_seqs.push_back(key.job_seq);
      chunk_nos.push_back(key.chunk_no);
      states.push_back(static_cast<int>(chunk.state));
      epochs.push_back(chunk.epoch);
      issued.push_back(chunk.issued.ToBitText());
      succeeded.push_back(chunk.succeeded);
      failed.push_back(chunk.failed);
      timed_out.push_back(chunk.timed_out);
      canceled.push_back(chunk.canceled);
      device_errors.push_back(chunk.device_errors);
    }
  }

  std::vector<int64_t> job_seqs, epochs;
  std::vector<int32_t> chunk_nos;
  std::vector<int> states, succeeded, failed, timed_out, canceled, device_errors;
  std::vector<std::string> issued;
};

// What a change of chunks adds to the counts of their jobs. Without the jobs whose counts stay as they are.
std::map<int64_t, JobCounts> GrowthOf(const LockedChunks& stored, const std::map<ChunkKey, Chunk>& changed) {
  std::map<int64_t, JobCounts> growth;
  for (const auto& [key, chunk] : changed) {
    JobCounts& job = growth[key.job_seq];
    AddTo(job, chunk);
    TakeFrom(job, stored.at(key).chunk);
  }
  std::erase_if(growth, [](const auto& job) { return job.second == JobCounts(); });
  return growth;
}

// Growth as the columns of kSaveChunks.
struct GrowthColumns {
  explicit GrowthColumns(const std::map<int64_t, JobCounts>& growth) {
    for (const auto& [job_seq, counts] : growth) {
      job_seqs.push_back(job_seq);
      pending.push_back(counts.pending);
      succeeded.push_back(counts.succeeded);
      failed.push_back(counts.failed);
      timed_out.push_back(counts.timed_out);
      canceled.push_back(counts.canceled);
      device_errors.push_back(counts.device_errors);
    }
  }

  std::vector<int64_t> job_seqs, pending, succeeded, failed, timed_out, canceled, device_errors;
};

}  // namespace

absl::Status AddCounters(Transaction& transaction, int64_t job_seq, int64_t target_count) {
  return transaction.Run(kAddCounters, job_seq, target_count, kCounterStripes).status();
}

absl::Status SaveChunks(Transaction& transaction, const LockedChunks& stored, const std::map<ChunkKey, Chunk>& changed,
                        bool issued_now) {
  if (changed.empty()) return absl::OkStatus();
  const std::map<int64_t, JobCounts> growth = GrowthOf(stored, changed);
  const ChunkColumns c(changed);
  const GrowthColumns g(growth);
  FLEETCAST_ASSIGN_OR_RETURN(
      const Result uncounted,
      transaction.Run(kSaveChunks, c.job_seqs, c.chunk_nos, c.states, c.epochs, c.issued, c.succeeded, c.failed,
                      c.timed_out, c.canceled, c.device_errors, issued_now, g.job_seqs, g.pending, g.succeeded,
                      g.failed, g.timed_out, g.canceled, g.device_errors));
  for (const Row row : uncounted) {
    const auto job_seq = row.Get<int64_t>(0);
    const JobCounts& counts = growth.at(job_seq);
    FLEETCAST_RETURN_IF_ERROR(transaction
                                  .Run(kCount, job_seq, counts.pending, counts.succeeded, counts.failed,
                                       counts.timed_out, counts.canceled, counts.device_errors, kCounterStripes)
                                  .status());
  }
  return absl::OkStatus();
}

absl::Status DropTargets(Transaction& transaction, int64_t job_seq) {
  FLEETCAST_RETURN_IF_ERROR(transaction.Run(kDropChunks, job_seq).status());
  return transaction.Run(kDropTargets, job_seq).status();
}

absl::StatusOr<bool> EndIfComplete(Transaction& transaction, const LockedJob& job) {
  if (IsTerminal(job.state)) return false;
  if (job.is_counted) {
    FLEETCAST_ASSIGN_OR_RETURN(const Result counters, transaction.Run(kSumCounters, job.seq));
    if (counters[0].Get<int64_t>("ended") < job.target_count) return false;
  }
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kSumChunks, job.seq));
  const Row sums = rows[0];
  if (sums.Get<int64_t>("unfinished") > 0) return false;
  const Ending ending = EndOf(job.state, job.stop, sums.Get<int64_t>("untouched"));
  if (job.is_counted) FLEETCAST_RETURN_IF_ERROR(transaction.Run(kDropCounters, job.seq).status());
  FLEETCAST_RETURN_IF_ERROR(transaction
                                .Run(kEndJob, job.seq, static_cast<int>(ending.state), ending.failure_reason,
                                     sums.Get<int64_t>("succeeded"), sums.Get<int64_t>("failed"),
                                     sums.Get<int64_t>("timed_out"), sums.Get<int64_t>("canceled"),
                                     sums.Get<int64_t>("device_errors"))
                                .status());
  return true;
}

absl::StatusOr<Endings> SaveAndEnd(Transaction& transaction, const LockedChunks& stored,
                                   std::map<ChunkKey, Chunk> changed) {
  Endings endings;
  std::set<int64_t> job_seqs;
  for (auto& [key, chunk] : changed) {
    if (CloseIfComplete(chunk)) endings.closed_chunks.push_back(key);
    if (chunk.state == ChunkState::kClosed) job_seqs.insert(key.job_seq);
  }
  FLEETCAST_RETURN_IF_ERROR(SaveChunks(transaction, stored, changed));
  for (const int64_t seq : job_seqs) {
    // Under the job's lock the sums see every other transaction that closed a chunk of it: one of them is the last.
    FLEETCAST_ASSIGN_OR_RETURN(const std::optional<LockedJob> job, LockJob(transaction, seq));
    if (!job.has_value()) continue;
    FLEETCAST_ASSIGN_OR_RETURN(const bool ended, EndIfComplete(transaction, *job));
    if (ended) endings.ended_jobs.push_back(job->id);
  }
  return endings;
}

}  // namespace fleetcast::job_store
