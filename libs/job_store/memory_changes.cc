// Pause, resume, change, repeat and upkeep of jobs in the store in memory.
#include <algorithm>
#include <utility>

#include "libs/job_store/errors.h"
#include "libs/job_store/memory_job_store.h"

namespace fleetcast::job_store {

absl::Status MemoryJobStore::CheckChangeable(const JobRecord* record, std::string_view job_id) const {
  if (record == nullptr) return NoSuchJob(job_id);
  const bool is_ending = record->job.state == JobState::kCancelling || record->stop != StopKind::kNone;
  return IsTerminal(record->job.state) || is_ending ? JobFinished(job_id) : absl::OkStatus();
}

bool MemoryJobStore::VoidLeases(JobRecord& record) {
  ++record.resolve_epoch;
  record.resolve_lease_until.reset();
  bool was_issuing = false;
  for (ChunkRecord& chunk : record.chunks) {
    VoidLease(chunk.chunk);
    chunk.lease_until.reset();
    was_issuing |= record.frozen && chunk.chunk.running() > 0;
  }
  return was_issuing;
}

absl::StatusOr<StopResult> MemoryJobStore::PauseJob(absl::Time, std::string_view job_id) {
  MutexLock lock(mutex_);
  JobRecord* record = Find(job_id);
  if (const absl::Status status = CheckChangeable(record, job_id); !status.ok()) return status;
  StopResult result;
  if (!record->job.pause_time.has_value()) {
    record->job.pause_time = clock_.Now();
    ++record->job.version;
    result.was_issuing = VoidLeases(*record);
  } else {
    // Perhaps a repeat of a call that has just been made: it has to be as good a barrier.
    for (const ChunkRecord& chunk : record->chunks) result.was_issuing |= chunk.chunk.running() > 0;
  }
  result.job = WithCounts(*record);
  return result;
}

absl::StatusOr<Job> MemoryJobStore::ResumeJob(absl::Time, std::string_view job_id) {
  MutexLock lock(mutex_);
  JobRecord* record = Find(job_id);
  if (const absl::Status status = CheckChangeable(record, job_id); !status.ok()) return status;
  if (record->job.pause_time.has_value()) {
    record->job.pause_time.reset();
    ++record->job.version;
  }
  return WithCounts(*record);
}

absl::StatusOr<StopResult> MemoryJobStore::UpdateJob(absl::Time, std::string_view job_id, const JobChange& change) {
  MutexLock lock(mutex_);
  JobRecord* record = Find(job_id);
  if (const absl::Status status = CheckChangeable(record, job_id); !status.ok()) return status;
  JobSpec& spec = record->job.spec;
  if (change.if_version.has_value() && *change.if_version != record->job.version) return JobHasChanged(job_id);
  StopResult result;
  const RolloutPolicy rollout = change.rollout.value_or(spec.rollout);
  const int priority = change.priority.value_or(spec.priority);
  if (rollout != spec.rollout || priority != spec.priority) {
    spec.rollout = rollout;
    spec.priority = priority;
    ++record->job.version;
    result.was_issuing = VoidLeases(*record);
  }
  result.job = WithCounts(*record);
  return result;
}

absl::StatusOr<std::vector<std::string>> MemoryJobStore::ListRetriedTargets(absl::Time,
                                                                            const ListRetriedTargetsRequest& request) {
  MutexLock lock(mutex_);
  const RetriedTargets& wanted = request.retried;
  const JobRecord* record = Find(wanted.job_id);
  if (record == nullptr) return NoSuchJob(wanted.job_id);
  const auto limit = static_cast<size_t>(std::clamp(request.limit, 1, kAppendTargetsMax));
  std::vector<std::string> device_ids;
  if (!record->frozen) return device_ids;
  for (const ChunkRecord& chunk : record->chunks) {
    for (int position = 0; position < chunk.chunk.size && device_ids.size() < limit; ++position) {
      Execution execution = DescribeTarget(*record, chunk, position);
      const bool is_error = IsDeviceError(execution.state, execution.device_status);
      if (!wanted.states.contains(execution.state) && !(wanted.device_errors && is_error)) continue;
      if (execution.device_id > request.after_device_id) device_ids.push_back(std::move(execution.device_id));
    }
  }
  return device_ids;
}

absl::StatusOr<MaintainResult> MemoryJobStore::Maintain(absl::Time, const MaintainRequest& request) {
  MutexLock lock(mutex_);
  const absl::Time before = clock_.Now() - request.retention;
  MaintainResult result;
  result.is_leader = true;
  result.jobs_removed = static_cast<int64_t>(std::erase_if(jobs_, [&](const auto& entry) {
    const Job& job = entry.second.job;
    return IsTerminal(job.state) && job.end_time.value_or(absl::InfiniteFuture()) < before;
  }));
  return result;
}

}  // namespace fleetcast::job_store
