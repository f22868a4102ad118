// Chunks, outcomes and executions of the store in memory.
#include <algorithm>
#include <utility>

#include "libs/job_store/errors.h"
#include "libs/job_store/memory_job_store.h"

namespace fleetcast::job_store {

MemoryJobStore::ChunkRecord* MemoryJobStore::Find(const ChunkKey& key) {
  const auto job = jobs_.find(key.job_seq);
  if (job == jobs_.end() || !job->second.frozen) return nullptr;
  std::vector<ChunkRecord>& chunks = job->second.chunks;
  if (key.chunk_no < 0 || static_cast<size_t>(key.chunk_no) >= chunks.size()) return nullptr;
  return &chunks[key.chunk_no];
}

MemoryJobStore::ChunkRecord* MemoryJobStore::FindHeld(const ChunkLease& lease) {
  ChunkRecord* record = Find(lease.key);
  if (record == nullptr) return nullptr;
  return IsHeld(record->chunk, lease.epoch) ? record : nullptr;
}

std::vector<MemoryJobStore::ChunkRecord*> MemoryJobStore::FreeChunksOf(JobRecord& record, const std::string& owner) {
  const absl::Time now = clock_.Now();
  std::vector<ChunkRecord*> free;
  const bool is_limited = record.job.spec.rollout.is_limited();
  for (ChunkRecord& chunk : record.chunks) {
    if (chunk.chunk.state != ChunkState::kOpen) continue;
    const bool is_held = chunk.lease_until.value_or(absl::InfinitePast()) >= now;
    if (is_limited && is_held && chunk.owner != owner) return {};
    if (!is_held) free.push_back(&chunk);
  }
  if (is_limited) {
    std::stable_partition(free.begin(), free.end(),
                          [](const ChunkRecord* chunk) { return chunk->chunk.running() > 0; });
  }
  return free;
}

// Turn by turn over the running jobs.
std::vector<MemoryJobStore::ChunkRecord*> MemoryJobStore::FreeChunks(const LeaseRequest& request) {
  std::vector<std::pair<int, ChunkRecord*>> free;  // Turn, chunk.
  for (auto& [seq, record] : jobs_) {
    if (record.job.state != JobState::kRunning || record.stop != StopKind::kNone) continue;
    if (record.job.pause_time.has_value()) continue;
    if (record.job.spec.rollout.is_limited() && !request.limited_jobs) continue;
    if (std::find(request.except_jobs.begin(), request.except_jobs.end(), seq) != request.except_jobs.end()) continue;
    int turn = 0;
    for (ChunkRecord* chunk : FreeChunksOf(record, request.owner)) {
      if (request.limit_per_job != 0 && turn == request.limit_per_job) break;
      free.emplace_back(turn++, chunk);
    }
  }
  std::stable_sort(free.begin(), free.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<ChunkRecord*> chunks;
  for (const auto& [turn, chunk] : free) {
    if (static_cast<int>(chunks.size()) == std::clamp(request.limit, 1, kLeaseChunksMax)) break;
    chunks.push_back(chunk);
  }
  return chunks;
}

PositionSet MemoryJobStore::Ended(const ChunkRecord& record) {
  PositionSet ended;
  for (const auto& [position, outcome] : record.outcomes) ended.Insert(position);
  return ended;
}

LeasedChunk MemoryJobStore::Lease(ChunkRecord& record, const LeaseRequest& request, std::shared_ptr<const Job> job) {
  record.owner = request.owner;
  record.lease_until = clock_.Now() + request.ttl;
  LeasedChunk chunk;
  chunk.lease = {record.chunk.key, ++record.chunk.epoch};
  chunk.job = std::move(job);
  chunk.device_ids = record.device_ids;
  chunk.pending = PositionSet::FirstN(record.chunk.size) - record.chunk.issued;
  chunk.in_flight = record.chunk.issued - Ended(record);
  chunk.last_issue_time = record.last_issue_time;
  for (const auto& [position, retry] : record.retries) {
    if (!record.outcomes.contains(position)) chunk.retries.emplace(position, retry);
  }
  return chunk;
}

absl::StatusOr<std::vector<LeasedChunk>> MemoryJobStore::LeaseChunks(absl::Time, const LeaseRequest& request) {
  MutexLock lock(mutex_);
  std::map<int64_t, std::shared_ptr<const Job>> jobs;
  std::vector<LeasedChunk> leased;
  for (ChunkRecord* record : FreeChunks(request)) {
    const JobRecord& job = jobs_.at(record->chunk.key.job_seq);
    std::shared_ptr<const Job>& shared = jobs[job.job.seq];
    if (shared == nullptr) {
      shared = std::make_shared<const Job>(job.job.spec.rollout.is_limited() ? WithCounts(job) : job.job);
    }
    leased.push_back(Lease(*record, request, shared));
  }
  return leased;
}

absl::StatusOr<std::vector<ChunkKey>> MemoryJobStore::RenewLeases(absl::Time, std::span<const ChunkLease> leases,
                                                                  absl::Duration ttl) {
  MutexLock lock(mutex_);
  std::vector<ChunkKey> lost;
  for (const ChunkLease& lease : leases) {
    if (ChunkRecord* record = FindHeld(lease)) {
      record->lease_until = clock_.Now() + ttl;
    } else {
      lost.push_back(lease.key);
    }
  }
  return lost;
}

absl::Status MemoryJobStore::ReleaseChunks(absl::Time, std::span<const ChunkLease> leases) {
  MutexLock lock(mutex_);
  for (const ChunkLease& lease : leases) {
    if (ChunkRecord* record = FindHeld(lease)) record->lease_until.reset();
  }
  return absl::OkStatus();
}

bool MemoryJobStore::MayBegin(const ChunkRecord& record, const ChunkLease& lease, const std::map<int, int>& retries) {
  PositionSet positions;
  for (const auto& [position, retry] : retries) {
    const auto begun = record.retries.find(position);
    if (begun != record.retries.end() && begun->second > retry) return false;
    positions.Insert(position);
  }
  return MayRetry(record.chunk, lease.epoch, positions, Ended(record));
}

absl::StatusOr<std::vector<bool>> MemoryJobStore::MarkIssued(absl::Time, std::span<const IssueRequest> requests) {
  MutexLock lock(mutex_);
  std::vector<bool> marked;
  for (const IssueRequest& request : requests) {
    ChunkRecord* record = Find(request.lease.key);
    marked.push_back(record != nullptr && MayBegin(*record, request.lease, request.retries) &&
                     job_store::MarkIssued(record->chunk, request.lease.epoch, request.positions));
    if (!marked.back()) continue;
    record->last_issue_time = clock_.Now();
    for (const auto& [position, retry] : request.retries) record->retries[position] = retry;
  }
  return marked;
}

absl::StatusOr<std::vector<bool>> MemoryJobStore::ClearIssued(absl::Time, std::span<const IssueRequest> requests) {
  MutexLock lock(mutex_);
  std::vector<bool> cleared;
  for (const IssueRequest& request : requests) {
    ChunkRecord* record = Find(request.lease.key);
    cleared.push_back(record != nullptr &&
                      job_store::ClearIssued(record->chunk, request.lease.epoch, request.positions, Ended(*record)));
    if (!cleared.back()) continue;
    CloseIfComplete(record->chunk);
    NoteClosed(*record);
    EndIfComplete(jobs_.at(request.lease.key.job_seq));
  }
  return cleared;
}

absl::StatusOr<RecordResult> MemoryJobStore::RecordOutcomes(absl::Time, std::span<const Outcome> outcomes) {
  if (outcomes.size() > kRecordOutcomesMax) return absl::InvalidArgumentError("more than kRecordOutcomesMax at once");
  MutexLock lock(mutex_);
  RecordResult result;
  // Judged as the batch found the chunks, as the database does: an outcome of the batch does not close one to another.
  std::map<ChunkKey, Chunk> before;
  for (const Outcome& outcome : outcomes) {
    if (ChunkRecord* record = Find(outcome.lease.key)) before.emplace(outcome.lease.key, record->chunk);
  }
  for (const Outcome& outcome : outcomes) {
    const auto judged = before.find(outcome.lease.key);
    if (judged == before.end() || !Accepts(judged->second, outcome)) {
      ++result.refused;
      continue;
    }
    ChunkRecord& record = *Find(outcome.lease.key);
    if (!record.outcomes.emplace(outcome.position, outcome).second) {
      ++result.repeated;
      continue;
    }
    ++result.recorded;
    Count(record.chunk, outcome.position, outcome.state, IsDeviceError(outcome.state, outcome.device_status));
  }
  for (const auto& [key, chunk] : before) {
    ChunkRecord& record = *Find(key);
    if (!CloseIfComplete(record.chunk)) continue;
    NoteClosed(record);
    result.closed_chunks.push_back(key);
    JobRecord& job = jobs_.at(key.job_seq);
    if (EndIfComplete(job)) result.ended_jobs.push_back(job.job.spec.id);
  }
  return result;
}

absl::StatusOr<ExpireResult> MemoryJobStore::ExpireJobs(absl::Time, absl::Duration grace, int limit) {
  MutexLock lock(mutex_);
  const absl::Time now = clock_.Now();
  ExpireResult result;
  for (auto& [seq, record] : jobs_) {
    if (IsTerminal(record.job.state)) continue;
    const bool late = record.stop == StopKind::kNone && record.job.deadline().value_or(absl::InfiniteFuture()) <= now;
    if (late && result.expired < limit) {
      ++result.expired;
      if (record.job.state == JobState::kResolving) {
        record.chunks.clear();
        record.job.failure_reason = "The execution time was over before the target devices were known.";
        SetState(record, *NextJobState(record.job.state, JobEvent::kFailed));
        result.ended_jobs.push_back(record.job.spec.id);
      } else {
        StopAll(record, StopKind::kExpired, grace);
        ++record.job.version;
      }
    } else if (record.drain_until.value_or(absl::InfiniteFuture()) <= now && result.settled < limit) {
      ++result.settled;
      for (ChunkRecord& chunk : record.chunks) {
        Settle(chunk.chunk);
        NoteClosed(chunk);
      }
    }
    if (EndIfComplete(record)) result.ended_jobs.push_back(record.job.spec.id);
  }
  return result;
}

Execution MemoryJobStore::DescribeTarget(const JobRecord& record, const ChunkRecord& chunk, int position) const {
  const JobFacts facts{record.job.seq,         record.job.spec.id, KindOf(record.job.spec.action),
                       record.job.create_time, record.stop,        record.stop_time};
  const auto outcome = chunk.outcomes.find(position);
  return Describe(facts, chunk.chunk, chunk.closed_time, position, chunk.device_ids[position],
                  outcome == chunk.outcomes.end() ? nullptr : &outcome->second);
}

absl::StatusOr<Execution> MemoryJobStore::GetExecution(absl::Time, std::string_view job_id,
                                                       std::string_view device_id) {
  MutexLock lock(mutex_);
  const JobRecord* record = Find(job_id);
  if (record == nullptr) return NoSuchJob(job_id);
  for (const ChunkRecord& chunk : record->chunks) {
    const auto found = std::find(chunk.device_ids.begin(), chunk.device_ids.end(), device_id);
    if (!record->frozen || found == chunk.device_ids.end()) continue;
    return DescribeTarget(*record, chunk, static_cast<int>(found - chunk.device_ids.begin()));
  }
  return NoSuchExecution(job_id, device_id);
}

absl::StatusOr<Page<Execution, int64_t>> MemoryJobStore::ListExecutions(absl::Time,
                                                                        const ListExecutionsRequest& request) {
  MutexLock lock(mutex_);
  const JobRecord* record = Find(request.job_id);
  if (record == nullptr) return NoSuchJob(request.job_id);
  Page<Execution, int64_t> page;
  if (!record->frozen) return page;
  const auto limit = static_cast<size_t>(std::clamp(request.page_size, 1, kPageSizeMax));
  for (const ChunkRecord& chunk : record->chunks) {
    for (int position = 0; position < chunk.chunk.size; ++position) {
      Execution execution = DescribeTarget(*record, chunk, position);
      if (execution.n <= request.after_n.value_or(-1)) continue;
      if (!request.states.empty() && !request.states.contains(execution.state)) continue;
      page.entries.push_back(std::move(execution));
      if (page.entries.size() < limit) continue;
      page.next = page.entries.back().n;
      return page;
    }
  }
  return page;
}

absl::StatusOr<Page<Execution, int64_t>> MemoryJobStore::ListExecutionsOfDevice(
    absl::Time deadline, const ListDeviceExecutionsRequest& request) {
  std::vector<std::string> job_ids;
  {
    MutexLock lock(mutex_);
    for (auto entry = jobs_.rbegin(); entry != jobs_.rend(); ++entry) {
      const Job& job = entry->second.job;
      if (job.seq >= request.before_seq.value_or(INT64_MAX)) continue;
      if (request.kind.has_value() && KindOf(job.spec.action) != *request.kind) continue;
      job_ids.push_back(job.spec.id);
    }
  }
  Page<Execution, int64_t> page;
  const auto limit = static_cast<size_t>(std::clamp(request.page_size, 1, kPageSizeMax));
  for (const std::string& job_id : job_ids) {
    absl::StatusOr<Execution> execution = GetExecution(deadline, job_id, request.device_id);
    if (!execution.ok()) continue;
    if (!request.states.empty() && !request.states.contains(execution->state)) continue;
    page.entries.push_back(*std::move(execution));
    if (page.entries.size() < limit) continue;
    page.next = page.entries.back().job_seq;
    return page;
  }
  return page;
}

}  // namespace fleetcast::job_store
