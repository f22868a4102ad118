// Leases of chunks and the intents recorded under them.
#include <algorithm>
#include <map>
#include <memory>
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

// Candidates turn by turn over the running jobs (first the first free chunk of each, then the second …), jobs in
// random order within a turn, so that a small job never waits for a big one and no job is always last. More candidates
// than asked for, because other lessees look at the same rows; those that they hold are skipped.
constexpr Statement kLease{"jobs_lease_chunks", R"sql(
WITH candidate AS MATERIALIZED (
  SELECT f.job_seq, f.chunk_no, row_number() OVER (ORDER BY f.turn, random()) AS place
  FROM jobs.job j CROSS JOIN LATERAL (
    SELECT c.job_seq, c.chunk_no, row_number() OVER (ORDER BY c.chunk_no) AS turn
    FROM jobs.chunk c
    WHERE c.job_seq = j.seq AND c.state = 0 AND (c.lease_until IS NULL OR c.lease_until < now())
    ORDER BY c.chunk_no LIMIT $2) f
  WHERE j.state IN (3, 4, 5) AND j.state = $1 AND j.stop = 0 AND j.seq <> ALL ($6::bigint[])
  ORDER BY place LIMIT 4 * $3),
locked AS MATERIALIZED (
  SELECT c.job_seq, c.chunk_no
  FROM jobs.chunk c JOIN candidate USING (job_seq, chunk_no)
  WHERE c.state = 0 AND (c.lease_until IS NULL OR c.lease_until < now())
  ORDER BY candidate.place LIMIT $3 FOR UPDATE OF c SKIP LOCKED)
UPDATE jobs.chunk c SET epoch = c.epoch + 1, owner = $4, lease_until = now() + $5::interval
FROM locked WHERE c.job_seq = locked.job_seq AND c.chunk_no = locked.chunk_no
RETURNING )sql" FLEETCAST_CHUNK_COLUMNS};

constexpr Statement kJobs{"jobs_of_leases", "SELECT " FLEETCAST_JOB_COLUMNS "FROM jobs.job j WHERE j.seq = ANY ($1)"};

constexpr Statement kTargets{"jobs_targets_of_leases", R"sql(
SELECT t.job_seq, t.chunk_no, t.device_ids
FROM jobs.chunk_target t JOIN unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no) USING (job_seq, chunk_no))sql"};

constexpr Statement kEnded{"jobs_ended_positions", R"sql(
SELECT o.job_seq, o.n FROM unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no)
JOIN jobs.outcome o ON o.job_seq = k.job_seq AND o.n >= k.chunk_no * 1000 AND o.n < (k.chunk_no + 1) * 1000)sql"};

constexpr Statement kRenew{"jobs_renew_leases", R"sql(
UPDATE jobs.chunk c SET lease_until = now() + $3::interval
FROM unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no)
WHERE c.job_seq = k.job_seq AND c.chunk_no = k.chunk_no)sql"};

constexpr Statement kRelease{"jobs_release_chunks", R"sql(
UPDATE jobs.chunk c SET lease_until = NULL, owner = NULL
FROM unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no)
WHERE c.job_seq = k.job_seq AND c.chunk_no = k.chunk_no)sql"};

absl::Status TooMany() { return absl::InvalidArgumentError("more chunks than kLeaseChunksMax at once"); }

// The positions of these chunks that have outcomes.
absl::StatusOr<std::map<ChunkKey, PositionSet>> ReadEnded(Transaction& transaction, std::span<const ChunkKey> keys) {
  std::map<ChunkKey, PositionSet> ended;
  if (keys.empty()) return ended;
  const ChunkKeyColumns columns(keys);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kEnded, columns.job_seqs, columns.chunk_nos));
  for (const Row row : rows) {
    const auto n = row.Get<int32_t>(1);
    ended[{row.Get<int64_t>(0), n / kChunkTargets}].Insert(n % kChunkTargets);
  }
  return ended;
}

absl::StatusOr<std::map<int64_t, std::shared_ptr<const Job>>> ReadJobs(Transaction& transaction,
                                                                       const std::vector<int64_t>& seqs) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kJobs, seqs));
  std::map<int64_t, std::shared_ptr<const Job>> jobs;
  for (const Row row : rows) jobs.emplace(row.Get<int64_t>("seq"), std::make_shared<const Job>(ReadJob(row)));
  return jobs;
}

absl::StatusOr<std::map<ChunkKey, std::vector<std::string>>> ReadTargets(Transaction& transaction,
                                                                         std::span<const ChunkKey> keys) {
  const ChunkKeyColumns columns(keys);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kTargets, columns.job_seqs, columns.chunk_nos));
  std::map<ChunkKey, std::vector<std::string>> targets;
  for (const Row row : rows) {
    targets.emplace(ChunkKey{row.Get<int64_t>(0), row.Get<int32_t>(1)}, row.Get<std::vector<std::string>>(2));
  }
  return targets;
}

// What the owner of freshly leased chunks needs to know about them.
absl::StatusOr<std::vector<LeasedChunk>> Complete(Transaction& transaction, const std::vector<ChunkRow>& rows) {
  std::vector<ChunkKey> keys, with_outcomes;
  std::vector<int64_t> seqs;
  for (const ChunkRow& row : rows) {
    keys.push_back(row.chunk.key);
    seqs.push_back(row.chunk.key.job_seq);
    if (row.chunk.ended() > 0) with_outcomes.push_back(row.chunk.key);
  }
  FLEETCAST_ASSIGN_OR_RETURN(const auto jobs, ReadJobs(transaction, seqs));
  FLEETCAST_ASSIGN_OR_RETURN(auto targets, ReadTargets(transaction, keys));
  FLEETCAST_ASSIGN_OR_RETURN(auto ended, ReadEnded(transaction, with_outcomes));
  std::vector<LeasedChunk> leased;
  for (const ChunkRow& row : rows) {
    LeasedChunk chunk;
    chunk.lease = {row.chunk.key, row.chunk.epoch};
    chunk.job = jobs.at(row.chunk.key.job_seq);
    chunk.device_ids = std::move(targets.at(row.chunk.key));
    chunk.pending = PositionSet::FirstN(row.chunk.size) - row.chunk.issued;
    chunk.in_flight = row.chunk.issued - ended[row.chunk.key];
    if (IsSeeded(SeededBug::kLeaseForgetsIntents)) chunk.pending |= std::exchange(chunk.in_flight, {});
    chunk.last_issue_time = row.last_issue_time;
    leased.push_back(std::move(chunk));
  }
  return leased;
}

std::vector<ChunkKey> KeysOf(std::span<const ChunkLease> leases) {
  std::vector<ChunkKey> keys;
  for (const ChunkLease& lease : leases) keys.push_back(lease.key);
  return keys;
}

std::vector<ChunkKey> KeysOf(std::span<const IssueRequest> requests) {
  std::vector<ChunkKey> keys;
  for (const IssueRequest& request : requests) keys.push_back(request.lease.key);
  return keys;
}

// The keys of the leases that still hold, the chunks being locked; the others go to `lost`.
std::vector<ChunkKey> Held(std::span<const ChunkLease> leases, const LockedChunks& locked,
                           std::vector<ChunkKey>& lost) {
  std::vector<ChunkKey> held;
  for (const ChunkLease& lease : leases) {
    const auto found = locked.find(lease.key);
    const bool holds = found != locked.end() && IsHeld(found->second.chunk, lease.epoch);
    (holds ? held : lost).push_back(lease.key);
  }
  return held;
}

}  // namespace

absl::StatusOr<std::vector<LeasedChunk>> PostgresJobStore::LeaseChunks(absl::Time deadline,
                                                                       const LeaseRequest& request) {
  const int limit = std::clamp(request.limit, 1, kLeaseChunksMax);
  // Without a limit per job, more than can be taken: another lessee may hold the first ones of a job that is alone.
  const int per_job = request.limit_per_job == 0 ? 4 * limit : std::min(request.limit_per_job, limit);
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<LeasedChunk>> {
    FLEETCAST_ASSIGN_OR_RETURN(const Result leased,
                               transaction.Run(kLease, static_cast<int>(JobState::kRunning), per_job, limit,
                                               request.owner, request.ttl, request.except_jobs));
    if (leased.empty()) return std::vector<LeasedChunk>();
    std::vector<ChunkRow> rows;
    for (const Row row : leased) rows.push_back(ReadChunk(row));
    return Complete(transaction, rows);
  });
}

absl::StatusOr<std::vector<ChunkKey>> PostgresJobStore::RenewLeases(absl::Time deadline,
                                                                    std::span<const ChunkLease> leases,
                                                                    absl::Duration ttl) {
  if (leases.empty()) return std::vector<ChunkKey>();
  if (leases.size() > kLeaseChunksMax) return TooMany();
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<ChunkKey>> {
    FLEETCAST_ASSIGN_OR_RETURN(const LockedChunks locked, LockChunks(transaction, KeysOf(leases)));
    std::vector<ChunkKey> lost;
    const ChunkKeyColumns held(Held(leases, locked, lost));
    FLEETCAST_RETURN_IF_ERROR(transaction.Run(kRenew, held.job_seqs, held.chunk_nos, ttl).status());
    return lost;
  });
}

absl::Status PostgresJobStore::ReleaseChunks(absl::Time deadline, std::span<const ChunkLease> leases) {
  if (leases.empty()) return absl::OkStatus();
  if (leases.size() > kLeaseChunksMax) return TooMany();
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const LockedChunks locked, LockChunks(transaction, KeysOf(leases)));
    std::vector<ChunkKey> lost;
    const ChunkKeyColumns held(Held(leases, locked, lost));
    return transaction.Run(kRelease, held.job_seqs, held.chunk_nos).status();
  });
}

absl::StatusOr<std::vector<bool>> PostgresJobStore::MarkIssued(absl::Time deadline,
                                                               std::span<const IssueRequest> requests) {
  if (requests.size() > kLeaseChunksMax) return TooMany();
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<bool>> {
    FLEETCAST_ASSIGN_OR_RETURN(LockedChunks locked, LockChunks(transaction, KeysOf(requests)));
    std::vector<bool> marked;
    std::map<ChunkKey, Chunk> changed;
    for (const IssueRequest& request : requests) {
      const auto found = locked.find(request.lease.key);
      marked.push_back(found != locked.end() &&
                       job_store::MarkIssued(found->second.chunk, request.lease.epoch, request.positions));
      if (marked.back()) changed.insert_or_assign(request.lease.key, found->second.chunk);
    }
    std::vector<Chunk> chunks;
    for (const auto& [key, chunk] : changed) chunks.push_back(chunk);
    FLEETCAST_RETURN_IF_ERROR(SaveChunks(transaction, chunks, /*issued_now=*/true));
    return marked;
  });
}

absl::StatusOr<std::vector<bool>> PostgresJobStore::ClearIssued(absl::Time deadline,
                                                                std::span<const IssueRequest> requests) {
  if (requests.size() > kLeaseChunksMax) return TooMany();
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<bool>> {
    const std::vector<ChunkKey> keys = KeysOf(requests);
    FLEETCAST_ASSIGN_OR_RETURN(LockedChunks locked, LockChunks(transaction, keys));
    FLEETCAST_ASSIGN_OR_RETURN(auto ended, ReadEnded(transaction, keys));
    std::vector<bool> cleared;
    std::map<ChunkKey, Chunk> changed;
    for (const IssueRequest& request : requests) {
      const ChunkKey& key = request.lease.key;
      const auto found = locked.find(key);
      cleared.push_back(found != locked.end() && job_store::ClearIssued(found->second.chunk, request.lease.epoch,
                                                                        request.positions, ended[key]));
      if (cleared.back()) changed.insert_or_assign(key, found->second.chunk);
    }
    FLEETCAST_RETURN_IF_ERROR(SaveAndEnd(transaction, std::move(changed)).status());
    return cleared;
  });
}

}  // namespace fleetcast::job_store
