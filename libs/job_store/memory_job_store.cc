// The job resource, and from due to frozen. The rest is in memory_changes.cc and memory_work.cc.
#include "libs/job_store/memory_job_store.h"

#include <algorithm>
#include <utility>

#include "libs/job_store/errors.h"

namespace fleetcast::job_store {
namespace {

// A job's number: the day of its creation above a counter, so that a day's jobs are a range (schema/0002).
constexpr int kDayShift = 32;

// Times have microseconds, as in the database.
absl::Time Cut(absl::Time time) { return absl::FromUnixMicros(absl::ToUnixMicros(time)); }

}  // namespace

MemoryJobStore::JobRecord* MemoryJobStore::Find(std::string_view job_id) {
  for (auto& [seq, record] : jobs_) {
    if (record.job.spec.id == job_id) return &record;
  }
  return nullptr;
}

void MemoryJobStore::SetState(JobRecord& record, JobState state) {
  record.job.state = state;
  ++record.job.version;
  if (!IsTerminal(state)) return;
  record.job.end_time = Cut(clock_.Now());
  record.job.pause_time.reset();
}

void MemoryJobStore::NoteClosed(ChunkRecord& chunk) {
  if (chunk.chunk.state != ChunkState::kOpen) chunk.lease_until.reset();
  if (chunk.chunk.state == ChunkState::kClosed && !chunk.closed_time.has_value()) chunk.closed_time = Cut(clock_.Now());
}

bool MemoryJobStore::EndIfComplete(JobRecord& record) {
  if (!record.frozen || IsTerminal(record.job.state)) return false;
  int64_t untouched = 0;
  for (const ChunkRecord& chunk : record.chunks) {
    if (chunk.chunk.state != ChunkState::kClosed) return false;
    untouched += chunk.chunk.size - chunk.chunk.issued.size();
  }
  Ending ending = EndOf(record.job.state, record.stop, untouched);
  if (!ending.failure_reason.empty()) record.job.failure_reason = std::move(ending.failure_reason);
  SetState(record, ending.state);
  return true;
}

void MemoryJobStore::StopAll(JobRecord& record, StopKind kind, absl::Duration drain) {
  record.stop = kind;
  record.stop_time = Cut(clock_.Now());
  record.drain_until = clock_.Now() + drain;
  for (ChunkRecord& chunk : record.chunks) {
    Stop(chunk.chunk, kind);
    NoteClosed(chunk);
  }
}

absl::StatusOr<CreateResult> MemoryJobStore::CreateJob(absl::Time, const CreateRequest& request) {
  MutexLock lock(mutex_);
  for (const auto& [seq, record] : jobs_) {
    const bool same_request = !request.request_id.empty() && record.request_id == request.request_id;
    if (record.job.spec.id != request.spec.id && !same_request) continue;
    if (record.request_hash != request.request_hash) return JobAlreadyExists(request.spec.id);
    return CreateResult{WithCounts(record), false};
  }
  if (request.only_repeat) return NoSuchJob(request.spec.id);
  JobRecord record;
  const int64_t day = absl::ToUnixSeconds(clock_.Now()) / (24 * 3600);
  record.job.seq = std::max((day << kDayShift) + 1, jobs_.empty() ? 1 : jobs_.rbegin()->first + 1);
  record.job.spec = request.spec;
  if (record.job.spec.start_time.has_value()) record.job.spec.start_time = Cut(*record.job.spec.start_time);
  record.job.create_time = Cut(clock_.Now());
  record.job.version = 1;
  record.request_hash = request.request_hash;
  record.request_id = request.request_id;
  record.due_time = record.job.spec.start_time.value_or(record.job.create_time);
  const Job job = record.job;
  jobs_.emplace(job.seq, std::move(record));
  return CreateResult{job, true};
}

Job MemoryJobStore::WithCounts(const JobRecord& record) const {
  Job job = record.job;
  if (record.frozen) {
    for (const ChunkRecord& chunk : record.chunks) AddTo(job.counts, chunk.chunk);
  }
  return job;
}

absl::StatusOr<Job> MemoryJobStore::GetJob(absl::Time, std::string_view job_id) {
  MutexLock lock(mutex_);
  const JobRecord* record = Find(job_id);
  if (record == nullptr) return NoSuchJob(job_id);
  return WithCounts(*record);
}

absl::StatusOr<Page<Job, int64_t>> MemoryJobStore::ListJobs(absl::Time deadline, const ListJobsRequest& request) {
  std::vector<std::string> ids;
  Page<Job, int64_t> page;
  {
    MutexLock lock(mutex_);
    for (auto entry = jobs_.rbegin(); entry != jobs_.rend(); ++entry) {
      const Job& job = entry->second.job;
      if (request.before_seq.has_value() && job.seq >= *request.before_seq) continue;
      if (request.kind.has_value() && KindOf(job.spec.action) != *request.kind) continue;
      if (!request.states.empty() && !request.states.contains(job.state)) continue;
      ids.push_back(job.spec.id);
    }
  }
  const auto limit = static_cast<size_t>(std::clamp(request.page_size, 1, kPageSizeMax));
  for (const std::string& id : ids) {
    if (page.entries.size() == limit) {
      page.next = page.entries.back().seq;
      break;
    }
    page.entries.push_back(*GetJob(deadline, id));
  }
  return page;
}

absl::StatusOr<int64_t> MemoryJobStore::CountActive(absl::Time) {
  MutexLock lock(mutex_);
  return std::count_if(jobs_.begin(), jobs_.end(),
                       [](const auto& entry) { return !IsTerminal(entry.second.job.state); });
}

absl::StatusOr<StopResult> MemoryJobStore::CancelJob(absl::Time, const CancelRequest& request) {
  MutexLock lock(mutex_);
  JobRecord* record = Find(request.job_id);
  if (record == nullptr) return NoSuchJob(request.job_id);
  const JobState state = record->job.state;
  if (state == JobState::kCancelling) return StopResult{WithCounts(*record), true};
  const std::optional<JobState> next = NextJobState(state, JobEvent::kCancelRequested);
  if (!next.has_value() || record->stop == StopKind::kExpired) return JobFinished(request.job_id);
  if (request.reject_running && (state == JobState::kResolving || state == JobState::kRunning)) {
    return JobRunning(request.job_id);
  }
  StopResult result;
  if (IsTerminal(*next)) record->chunks.clear();
  StopAll(*record, StopKind::kCancelled, request.drain);
  for (const ChunkRecord& chunk : record->chunks) result.was_issuing |= chunk.chunk.running() > 0;
  record->job.failure_reason = request.reason;
  record->job.pause_time.reset();
  SetState(*record, *next);
  EndIfComplete(*record);
  result.job = WithCounts(*record);
  return result;
}

absl::StatusOr<PromoteResult> MemoryJobStore::PromoteDue(absl::Time, int limit) {
  MutexLock lock(mutex_);
  const absl::Time now = clock_.Now();
  PromoteResult result;
  for (auto& [seq, record] : jobs_) {
    if (record.job.pause_time.has_value()) continue;
    if (record.due_time <= now && result.started < limit) {
      if (const auto next = NextJobState(record.job.state, JobEvent::kDue)) {
        record.job.started_time = Cut(now);
        SetState(record, *next);
        ++result.started;
      }
    } else if (record.due_time > now) {
      if (const auto next = NextJobState(record.job.state, JobEvent::kTimerArmed)) {
        SetState(record, *next);
        ++result.armed;
      }
    }
    if (NextJobState(record.job.state, JobEvent::kDue).has_value()) {
      const absl::Duration wait = std::max(record.due_time - now, absl::ZeroDuration());
      result.until_next = std::min(result.until_next.value_or(wait), wait);
    }
  }
  return result;
}

absl::StatusOr<std::optional<ResolveLease>> MemoryJobStore::AcquireResolve(absl::Time, std::string_view,
                                                                           absl::Duration ttl) {
  MutexLock lock(mutex_);
  const absl::Time now = clock_.Now();
  for (auto& [seq, record] : jobs_) {
    const bool is_held = record.resolve_lease_until.value_or(absl::InfinitePast()) >= now;
    if (record.job.state != JobState::kResolving || is_held || record.job.pause_time.has_value()) continue;
    record.resolve_lease_until = now + ttl;
    return std::optional<ResolveLease>({seq, record.job.spec.id, record.job.spec.condition, ++record.resolve_epoch,
                                        record.job.spec.retried, record.last_device_id, record.target_count});
  }
  return std::optional<ResolveLease>();
}

absl::Status MemoryJobStore::AppendTargets(absl::Time, ResolveLease& lease, std::span<const std::string> device_ids,
                                           absl::Duration ttl) {
  std::string_view last = lease.last_device_id;
  for (const std::string& id : device_ids) {
    if (id <= last) return absl::InvalidArgumentError("the ids do not ascend");
    last = id;
  }
  if (device_ids.size() > kAppendTargetsMax) return absl::InvalidArgumentError("the page is too long");
  MutexLock lock(mutex_);
  const auto found = jobs_.find(lease.job_seq);
  if (found == jobs_.end()) return LeaseLost();
  JobRecord& record = found->second;
  if (record.job.state != JobState::kResolving || record.resolve_epoch != lease.epoch) return LeaseLost();
  const bool is_repeat = record.target_count == lease.target_count + static_cast<int64_t>(device_ids.size()) &&
                         record.last_device_id == last && !device_ids.empty();
  if (is_repeat) {
    lease.last_device_id = record.last_device_id;
    lease.target_count = record.target_count;
    return absl::OkStatus();
  }
  if (record.target_count != lease.target_count) return LeaseLost();
  for (auto rest = device_ids; !rest.empty(); rest = rest.subspan(std::min<size_t>(kChunkTargets, rest.size()))) {
    const auto page = rest.first(std::min<size_t>(kChunkTargets, rest.size()));
    ChunkRecord chunk;
    chunk.chunk.key = {lease.job_seq, static_cast<int32_t>(record.chunks.size())};
    chunk.chunk.size = static_cast<int>(page.size());
    chunk.device_ids.assign(page.begin(), page.end());
    record.chunks.push_back(std::move(chunk));
  }
  record.last_device_id = lease.last_device_id = last;
  record.target_count = lease.target_count += static_cast<int64_t>(device_ids.size());
  record.resolve_lease_until = clock_.Now() + ttl;
  return absl::OkStatus();
}

absl::Status MemoryJobStore::FinishResolve(absl::Time, const ResolveLease& lease) {
  MutexLock lock(mutex_);
  const auto found = jobs_.find(lease.job_seq);
  if (found == jobs_.end() || found->second.resolve_epoch != lease.epoch) return LeaseLost();
  JobRecord& record = found->second;
  if (record.frozen) return absl::OkStatus();
  const std::optional<JobState> next = NextJobState(record.job.state, JobEvent::kTargetsFrozen);
  if (!next.has_value() || record.target_count != lease.target_count) return LeaseLost();
  record.frozen = true;
  SetState(record, *next);
  EndIfComplete(record);
  return absl::OkStatus();
}

absl::Status MemoryJobStore::FailJob(absl::Time, std::string_view job_id, std::string_view reason) {
  MutexLock lock(mutex_);
  JobRecord* record = Find(job_id);
  if (record == nullptr) return NoSuchJob(job_id);
  const std::optional<JobState> next = NextJobState(record->job.state, JobEvent::kFailed);
  if (!next.has_value() || record->job.state == JobState::kRunning) return JobNotInState(job_id);
  record->chunks.clear();
  record->job.failure_reason = reason;
  SetState(*record, *next);
  return absl::OkStatus();
}

}  // namespace fleetcast::job_store
