// Leasing chunks: which, to whom, and what their owner needs to know.
//
// A limited job belongs to one owner at a time. Its row is locked first; whoever finds it locked leaves the job out.
// The next statement has a fresh snapshot, so it sees every lease that was committed under that lock before. A lease
// waits for no lock at all, so locking the job before its chunks cannot be part of a deadlock.
//
// A job may be paused, stopped or limited between the snapshot that chooses chunks and their locks. Once the chunks are
// locked, such a change either waits for us and then voids the lease, or is seen by the statement that follows.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "libs/base/seeded_bug.h"
#include "libs/base/status_macros.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/postgres_rows.h"

namespace fleetcast::job_store {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

// In random order, so that with more limited jobs than this none is always last.
constexpr int kLimitedJobsMax = 64;
constexpr Statement kLockLimited{"jobs_lock_limited", R"sql(
SELECT seq FROM jobs.job
WHERE state IN (3, 4, 5) AND state = $1 AND stop = 0 AND limited AND pause_time IS NULL AND seq <> ALL ($2::bigint[])
ORDER BY random() LIMIT $3 FOR UPDATE SKIP LOCKED)sql"};

// Candidates turn by turn over the running jobs (first the first free chunk of each, then the second …), jobs in
// random order within a turn, so that a small job never waits for a big one and no job is always last. More candidates
// than asked for, because other lessees look at the same rows; those that they hold are skipped. $7: limited jobs that
// are locked; of those, chunks that hold targets under way come first.
constexpr Statement kLease{"jobs_lease_chunks", R"sql(
WITH candidate AS MATERIALIZED (
  SELECT f.job_seq, f.chunk_no, row_number() OVER (ORDER BY f.turn, random()) AS place
  FROM jobs.job j CROSS JOIN LATERAL (
    (SELECT c.job_seq, c.chunk_no, row_number() OVER (ORDER BY c.chunk_no) AS turn
     FROM jobs.chunk c
     WHERE NOT j.limited AND c.job_seq = j.seq AND c.state = 0 AND (c.lease_until IS NULL OR c.lease_until < now())
     ORDER BY c.chunk_no LIMIT $2)
    UNION ALL
    (SELECT c.job_seq, c.chunk_no, row_number() OVER (ORDER BY u.is_idle, c.chunk_no) AS turn
     FROM jobs.chunk c
     CROSS JOIN LATERAL (
       SELECT bit_count(c.issued) = c.succeeded + c.failed + c.timed_out + c.canceled AS is_idle) u
     WHERE j.limited AND c.job_seq = j.seq AND c.state = 0 AND (c.lease_until IS NULL OR c.lease_until < now())
     ORDER BY u.is_idle, c.chunk_no LIMIT $2)) f
  WHERE j.state IN (3, 4, 5) AND j.state = $1 AND j.stop = 0 AND j.pause_time IS NULL AND j.seq <> ALL ($6::bigint[])
    AND (NOT j.limited
         OR j.seq = ANY ($7::bigint[])
            AND NOT EXISTS (SELECT FROM jobs.chunk h
                            WHERE h.job_seq = j.seq AND h.state = 0 AND h.lease_until >= now() AND h.owner <> $4))
  ORDER BY place LIMIT 4 * $3),
locked AS MATERIALIZED (
  SELECT c.job_seq, c.chunk_no
  FROM jobs.chunk c JOIN candidate USING (job_seq, chunk_no)
  WHERE c.state = 0 AND (c.lease_until IS NULL OR c.lease_until < now())
  ORDER BY candidate.place LIMIT $3 FOR UPDATE OF c SKIP LOCKED)
UPDATE jobs.chunk c SET epoch = c.epoch + 1, owner = $4, lease_until = now() + $5::interval
FROM locked WHERE c.job_seq = locked.job_seq AND c.chunk_no = locked.chunk_no
RETURNING )sql" FLEETCAST_CHUNK_COLUMNS};

// Jobs of freshly leased chunks that may be leased as they are now.
constexpr Statement kJobs{"jobs_of_leases", "SELECT " FLEETCAST_JOB_COLUMNS R"sql(
FROM jobs.job j WHERE j.seq = ANY ($1) AND j.state = $2 AND j.stop = 0 AND j.pause_time IS NULL
  AND NOT j.limited)sql"};
constexpr Statement kLimitedJobs{"jobs_limited_of_leases", "SELECT " FLEETCAST_JOB_WITH_COUNTS R"sql(
WHERE j.seq = ANY ($1) AND j.state = $2 AND j.stop = 0 AND j.pause_time IS NULL AND j.limited)sql"};

constexpr Statement kUndo{"jobs_undo_leases", R"sql(
UPDATE jobs.chunk c SET lease_until = NULL, owner = NULL
FROM unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no)
WHERE c.job_seq = k.job_seq AND c.chunk_no = k.chunk_no)sql"};

constexpr Statement kTargets{"jobs_targets_of_leases", R"sql(
SELECT t.job_seq, t.chunk_no, t.device_ids
FROM jobs.chunk_target t JOIN unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no) USING (job_seq, chunk_no)
WHERE t.job_seq BETWEEN $3 AND $4)sql"};

constexpr int kRunning = static_cast<int>(JobState::kRunning);

using Jobs = std::map<int64_t, std::shared_ptr<const Job>>;

// Limited jobs, locked, that may be leased.
absl::StatusOr<std::vector<int64_t>> LockLimited(Transaction& transaction, const LeaseRequest& request) {
  if (!request.limited_jobs) return std::vector<int64_t>();
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows,
                             transaction.Run(kLockLimited, kRunning, request.except_jobs, kLimitedJobsMax));
  std::vector<int64_t> seqs;
  for (const Row row : rows) seqs.push_back(row.Get<int64_t>(0));
  return seqs;
}

// The jobs of these chunks that may still be leased. `limited`: those that are locked.
absl::StatusOr<Jobs> ReadJobs(Transaction& transaction, const std::vector<ChunkRow>& rows,
                              const std::vector<int64_t>& limited) {
  std::set<int64_t> seqs;
  for (const ChunkRow& row : rows) seqs.insert(row.chunk.key.job_seq);
  std::vector<int64_t> locked;
  for (const int64_t seq : limited) {
    if (seqs.contains(seq)) locked.push_back(seq);
  }
  Jobs jobs;
  FLEETCAST_ASSIGN_OR_RETURN(const Result found,
                             transaction.Run(kJobs, std::vector<int64_t>(seqs.begin(), seqs.end()), kRunning));
  for (const Row row : found) jobs.emplace(row.Get<int64_t>("seq"), std::make_shared<const Job>(ReadJob(row)));
  if (locked.empty()) return jobs;
  FLEETCAST_ASSIGN_OR_RETURN(const Result counted, transaction.Run(kLimitedJobs, locked, kRunning));
  for (const Row row : counted) {
    jobs.emplace(row.Get<int64_t>("seq"), std::make_shared<const Job>(ReadJobWithCounts(row)));
  }
  return jobs;
}

// Gives back chunks whose job is not among `jobs`; removes them from `rows`.
absl::Status GiveBackOthers(Transaction& transaction, const Jobs& jobs, std::vector<ChunkRow>& rows) {
  std::vector<ChunkKey> others;
  std::erase_if(rows, [&](const ChunkRow& row) {
    if (jobs.contains(row.chunk.key.job_seq)) return false;
    others.push_back(row.chunk.key);
    return true;
  });
  if (others.empty()) return absl::OkStatus();
  const ChunkKeyColumns columns(others);
  return transaction.Run(kUndo, columns.job_seqs, columns.chunk_nos).status();
}

absl::StatusOr<std::map<ChunkKey, std::vector<std::string>>> ReadTargets(Transaction& transaction,
                                                                         std::span<const ChunkKey> keys) {
  const ChunkKeyColumns columns(keys);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kTargets, columns.job_seqs, columns.chunk_nos,
                                                                columns.seq_min, columns.seq_max));
  std::map<ChunkKey, std::vector<std::string>> targets;
  for (const Row row : rows) {
    targets.emplace(ChunkKey{row.Get<int64_t>(0), row.Get<int32_t>(1)}, row.Get<std::vector<std::string>>(2));
  }
  return targets;
}

// What the owner of freshly leased chunks needs to know about them.
absl::StatusOr<std::vector<LeasedChunk>> Complete(Transaction& transaction, const std::vector<ChunkRow>& rows,
                                                  const Jobs& jobs) {
  std::vector<ChunkKey> keys, with_outcomes, with_running;
  for (const ChunkRow& row : rows) {
    keys.push_back(row.chunk.key);
    if (row.chunk.ended() > 0) with_outcomes.push_back(row.chunk.key);
    if (row.chunk.running() > 0) with_running.push_back(row.chunk.key);
  }
  FLEETCAST_ASSIGN_OR_RETURN(auto targets, ReadTargets(transaction, keys));
  FLEETCAST_ASSIGN_OR_RETURN(auto ended, ReadEnded(transaction, with_outcomes));
  FLEETCAST_ASSIGN_OR_RETURN(auto retries, ReadRetries(transaction, with_running));
  std::vector<LeasedChunk> leased;
  for (const ChunkRow& row : rows) {
    const ChunkKey& key = row.chunk.key;
    LeasedChunk chunk;
    chunk.lease = {key, row.chunk.epoch};
    chunk.job = jobs.at(key.job_seq);
    chunk.device_ids = std::move(targets.at(key));
    chunk.pending = PositionSet::FirstN(row.chunk.size) - row.chunk.issued;
    chunk.in_flight = row.chunk.issued - ended[key];
    if (IsSeeded(SeededBug::kLeaseForgetsIntents)) chunk.pending |= std::exchange(chunk.in_flight, {});
    chunk.last_issue_time = row.last_issue_time;
    chunk.retries = std::move(retries[key]);
    std::erase_if(chunk.retries, [&](const auto& retry) { return ended[key].Contains(retry.first); });
    leased.push_back(std::move(chunk));
  }
  return leased;
}

}  // namespace

absl::StatusOr<std::vector<LeasedChunk>> PostgresJobStore::LeaseChunks(absl::Time deadline,
                                                                       const LeaseRequest& request) {
  const int limit = std::clamp(request.limit, 1, kLeaseChunksMax);
  // Without a limit per job, more than can be taken: another lessee may hold the first ones of a job that is alone.
  const int per_job = request.limit_per_job == 0 ? 4 * limit : std::min(request.limit_per_job, limit);
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<LeasedChunk>> {
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<int64_t> limited, LockLimited(transaction, request));
    FLEETCAST_ASSIGN_OR_RETURN(const Result leased, transaction.Run(kLease, kRunning, per_job, limit, request.owner,
                                                                    request.ttl, request.except_jobs, limited));
    std::vector<ChunkRow> rows;
    for (const Row row : leased) rows.push_back(ReadChunk(row));
    if (rows.empty()) return std::vector<LeasedChunk>();
    FLEETCAST_ASSIGN_OR_RETURN(const Jobs jobs, ReadJobs(transaction, rows, limited));
    FLEETCAST_RETURN_IF_ERROR(GiveBackOthers(transaction, jobs, rows));
    if (rows.empty()) return std::vector<LeasedChunk>();
    return Complete(transaction, rows, jobs);
  });
}

}  // namespace fleetcast::job_store
