// Rows of the schema `jobs` to and from our values, and the steps that several use cases share. Internal to this
// folder.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/job_store/chunk.h"
#include "libs/job_store/job.h"
#include "libs/job_store/postgres_policies.h"
#include "libs/postgres/transaction.h"

// Columns of jobs.job `j` that ReadJobFacts needs.
#define FLEETCAST_JOB_FACTS_COLUMNS "j.seq, j.id, j.kind, j.create_time, j.stop, j.stop_time "
// Columns of jobs.job `j` that ReadJob needs, and ReadJobFacts.
#define FLEETCAST_JOB_COLUMNS                                                                           \
  FLEETCAST_JOB_FACTS_COLUMNS                                                                           \
  ", j.condition, j.method, j.payload, j.response_timeout_us, j.connect_timeout_us, "                   \
  "j.wait_for_connection, j.tags_patch, j.desired_patch, j.twin_etag, j.status_message, j.start_time, " \
  "j.execution_timeout_us, j.state, j.version, j.failure_reason, j.started_time, j.end_time, "          \
  "j.priority, j.pause_time, " FLEETCAST_POLICY_COLUMNS
// A job's counts: sums over its counters while it runs, or over its chunks if it has none (16 rows of a primary key
// at most), fixed numbers afterwards, nothing before its targets are frozen. One statement, so that state and counts
// agree.
#define FLEETCAST_JOB_WITH_COUNTS                                                                         \
  FLEETCAST_JOB_COLUMNS                                                                                   \
  ", CASE WHEN j.frozen THEN j.target_count ELSE 0 END AS total, coalesce(c.pending, 0) AS pending, "     \
  "coalesce(j.succeeded, c.succeeded, 0) AS succeeded, coalesce(j.failed, c.failed, 0) AS failed, "       \
  "coalesce(j.timed_out, c.timed_out, 0) AS timed_out, coalesce(j.canceled, c.canceled, 0) AS canceled, " \
  "coalesce(j.device_errors, c.device_errors, 0) AS device_errors "                                       \
  "FROM jobs.job j LEFT JOIN LATERAL ("                                                                   \
  "  SELECT sum(k.pending) AS pending, sum(k.succeeded) AS succeeded, sum(k.failed) AS failed, "          \
  "         sum(k.timed_out) AS timed_out, sum(k.canceled) AS canceled, "                                 \
  "         sum(k.device_errors) AS device_errors "                                                       \
  "  FROM (SELECT s.pending, s.succeeded, s.failed, s.timed_out, s.canceled, s.device_errors "            \
  "        FROM jobs.counter s WHERE s.job_seq = j.seq AND j.counted AND j.end_time IS NULL "             \
  "        UNION ALL "                                                                                    \
  "        SELECT CASE WHEN t.state = 0 THEN t.size - bit_count(t.issued) ELSE 0 END::int, "              \
  "               t.succeeded, t.failed, t.timed_out, t.canceled, t.device_errors FROM jobs.chunk t "     \
  "        WHERE t.job_seq = j.seq AND j.frozen AND NOT j.counted AND j.end_time IS NULL) k) c ON true "
// Columns of jobs.chunk `c` that ReadChunk needs.
#define FLEETCAST_CHUNK_COLUMNS                                                                       \
  "c.job_seq, c.chunk_no, c.size, c.state AS chunk_state, c.epoch, c.issued, c.succeeded, c.failed, " \
  "c.timed_out, c.canceled, c.device_errors, c.last_issue_time, c.closed_time "
// Columns of jobs.outcome `o` that ReadOutcome needs.
#define FLEETCAST_OUTCOME_COLUMNS                                                                       \
  "o.n, o.state AS outcome_state, o.device_status, o.error_code, o.error_reason, o.payload AS answer, " \
  "o.start_time AS issue_time, o.end_time AS outcome_time "

namespace fleetcast::job_store {

// A chunk's row: what the rules look at, and two times.
struct ChunkRow {
  Chunk chunk;
  std::optional<absl::Time> last_issue_time;
  std::optional<absl::Time> closed_time;
};

Job ReadJob(const postgres::Row& row);            // Without counts.
Job ReadJobWithCounts(const postgres::Row& row);  // Of FLEETCAST_JOB_WITH_COUNTS.
JobFacts ReadJobFacts(const postgres::Row& row);
ChunkRow ReadChunk(const postgres::Row& row);
Outcome ReadOutcome(const postgres::Row& row);  // Without lease and position.

// Splits keys into the columns that unnest takes. Their least and greatest job go with them as scalars: values of a
// join prune no partitions when a statement starts, and an UPDATE has to open all that are left.
struct ChunkKeyColumns {
  explicit ChunkKeyColumns(std::span<const ChunkKey> keys);
  int64_t seq_min = 0;
  int64_t seq_max = 0;
  std::vector<int64_t> job_seqs;
  std::vector<int32_t> chunk_nos;
};

using LockedChunks = std::map<ChunkKey, ChunkRow>;

// Locks these chunks, in order of their keys. Those that do not exist are missing in the answer.
absl::StatusOr<LockedChunks> LockChunks(postgres::Transaction& transaction, std::span<const ChunkKey> keys);
// Locks all chunks of a job that are not closed.
absl::StatusOr<LockedChunks> LockUnfinishedChunks(postgres::Transaction& transaction, int64_t job_seq);

// The positions of these chunks that have outcomes.
absl::StatusOr<std::map<ChunkKey, PositionSet>> ReadEnded(postgres::Transaction& transaction,
                                                          std::span<const ChunkKey> keys);
// The highest retry that was begun of each position of these chunks; those without one are missing.
absl::StatusOr<std::map<ChunkKey, std::map<int, int>>> ReadRetries(postgres::Transaction& transaction,
                                                                   std::span<const ChunkKey> keys);

// The job with its counts. kNotFound JOB_NOT_FOUND.
absl::StatusOr<Job> ReadJobById(postgres::Transaction& transaction, std::string_view job_id);

// A job's row under lock.
struct LockedJob {
  int64_t seq = 0;
  std::string id;
  JobState state = JobState::kQueued;
  StopKind stop = StopKind::kNone;
  bool is_paused = false;
  int64_t version = 0;
  int64_t target_count = 0;
  bool is_counted = false;  // Has counters until it ends.
};
// nullopt when there is none.
absl::StatusOr<std::optional<LockedJob>> LockJob(postgres::Transaction& transaction, int64_t seq);

}  // namespace fleetcast::job_store
