// What the owner of leased chunks does: renews and releases leases, records intents and takes them back.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/postgres_rows.h"
#include "libs/job_store/postgres_saving.h"

namespace fleetcast::job_store {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

constexpr Statement kRenew{"jobs_renew_leases", R"sql(
UPDATE jobs.chunk c SET lease_until = now() + $3::interval
FROM unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no)
WHERE c.job_seq = k.job_seq AND c.chunk_no = k.chunk_no)sql"};

constexpr Statement kRelease{"jobs_release_chunks", R"sql(
UPDATE jobs.chunk c SET lease_until = NULL, owner = NULL
FROM unnest($1::bigint[], $2::int[]) AS k (job_seq, chunk_no)
WHERE c.job_seq = k.job_seq AND c.chunk_no = k.chunk_no)sql"};

// Repeats nothing: under the chunk's lock the retries that were begun are known.
constexpr Statement kBegin{"jobs_begin_retries", R"sql(
INSERT INTO jobs.attempt (job_seq, n, retry) SELECT * FROM unnest($1::bigint[], $2::int[], $3::smallint[])
ON CONFLICT DO NOTHING)sql"};

absl::Status TooMany() { return absl::InvalidArgumentError("more chunks than kLeaseChunksMax at once"); }

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

// What must be known about the targets that `requests` try again.
struct RetryFacts {
  std::map<ChunkKey, PositionSet> ended;
  std::map<ChunkKey, std::map<int, int>> begun;  // The highest number of each position.
};

absl::StatusOr<RetryFacts> ReadRetryFacts(Transaction& transaction, std::span<const IssueRequest> requests) {
  std::vector<ChunkKey> keys;
  for (const IssueRequest& request : requests) {
    if (!request.retries.empty()) keys.push_back(request.lease.key);
  }
  RetryFacts facts;
  FLEETCAST_ASSIGN_OR_RETURN(facts.ended, ReadEnded(transaction, keys));
  FLEETCAST_ASSIGN_OR_RETURN(facts.begun, ReadRetries(transaction, keys));
  return facts;
}

// Whether the retries of `request` may begin; then they count as begun in `facts`.
bool BeginRetries(const Chunk& chunk, const IssueRequest& request, RetryFacts& facts) {
  if (request.retries.empty()) return true;
  std::map<int, int>& begun = facts.begun[request.lease.key];
  PositionSet positions;
  for (const auto& [position, retry] : request.retries) {
    const auto found = begun.find(position);
    if (position < 0 || position >= kChunkTargets || retry < 1) return false;
    if (found != begun.end() && found->second > retry) return false;
    positions.Insert(position);
  }
  if (!MayRetry(chunk, request.lease.epoch, positions, facts.ended[request.lease.key])) return false;
  for (const auto& [position, retry] : request.retries) begun[position] = retry;
  return true;
}

absl::Status InsertRetries(Transaction& transaction, std::span<const IssueRequest> requests,
                           const std::vector<bool>& marked) {
  std::vector<int64_t> job_seqs;
  std::vector<int32_t> ns, retries;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!marked[i]) continue;
    const ChunkKey& key = requests[i].lease.key;
    for (const auto& [position, retry] : requests[i].retries) {
      job_seqs.push_back(key.job_seq);
      ns.push_back(key.chunk_no * kChunkTargets + position);
      retries.push_back(retry);
    }
  }
  if (ns.empty()) return absl::OkStatus();
  return transaction.Run(kBegin, job_seqs, ns, retries).status();
}

// The chunk as it stands after what has been changed so far; nullopt when there is no such chunk.
std::optional<Chunk> Latest(const LockedChunks& locked, const std::map<ChunkKey, Chunk>& changed, const ChunkKey& key) {
  if (const auto found = changed.find(key); found != changed.end()) return found->second;
  if (const auto found = locked.find(key); found != locked.end()) return found->second.chunk;
  return std::nullopt;
}

// Records the intent of `request`, first sends and retries, or nothing of it.
bool Mark(Chunk& chunk, const IssueRequest& request, RetryFacts& facts) {
  Chunk issued = chunk;
  if (!job_store::MarkIssued(issued, request.lease.epoch, request.positions)) return false;
  if (!BeginRetries(chunk, request, facts)) return false;
  chunk = issued;
  return true;
}

}  // namespace

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
    FLEETCAST_ASSIGN_OR_RETURN(const LockedChunks locked, LockChunks(transaction, KeysOf(requests)));
    FLEETCAST_ASSIGN_OR_RETURN(RetryFacts facts, ReadRetryFacts(transaction, requests));
    std::vector<bool> marked;
    std::map<ChunkKey, Chunk> changed;
    for (const IssueRequest& request : requests) {
      std::optional<Chunk> chunk = Latest(locked, changed, request.lease.key);
      marked.push_back(chunk.has_value() && Mark(*chunk, request, facts));
      if (marked.back()) changed.insert_or_assign(request.lease.key, *std::move(chunk));
    }
    FLEETCAST_RETURN_IF_ERROR(SaveChunks(transaction, locked, changed, /*issued_now=*/true));
    FLEETCAST_RETURN_IF_ERROR(InsertRetries(transaction, requests, marked));
    return marked;
  });
}

absl::StatusOr<std::vector<bool>> PostgresJobStore::ClearIssued(absl::Time deadline,
                                                                std::span<const IssueRequest> requests) {
  if (requests.size() > kLeaseChunksMax) return TooMany();
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<bool>> {
    const std::vector<ChunkKey> keys = KeysOf(requests);
    FLEETCAST_ASSIGN_OR_RETURN(const LockedChunks locked, LockChunks(transaction, keys));
    FLEETCAST_ASSIGN_OR_RETURN(auto ended, ReadEnded(transaction, keys));
    std::vector<bool> cleared;
    std::map<ChunkKey, Chunk> changed;
    for (const IssueRequest& request : requests) {
      const ChunkKey& key = request.lease.key;
      std::optional<Chunk> chunk = Latest(locked, changed, key);
      cleared.push_back(chunk.has_value() &&
                        job_store::ClearIssued(*chunk, request.lease.epoch, request.positions, ended[key]));
      if (cleared.back()) changed.insert_or_assign(key, *std::move(chunk));
    }
    FLEETCAST_RETURN_IF_ERROR(SaveAndEnd(transaction, locked, std::move(changed)).status());
    return cleared;
  });
}

}  // namespace fleetcast::job_store
