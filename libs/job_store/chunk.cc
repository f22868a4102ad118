#include "libs/job_store/chunk.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/seeded_bug.h"
#include "libs/model/reasons.h"

namespace fleetcast::job_store {
namespace {

// The codes of targets that ended without an outcome of their own (service-rest section 6).
constexpr int32_t kExecutionExpiredCode = 400024;
constexpr int32_t kNoAnswerCode = 504101;

// Whether the owner under `epoch` is the last that may have sent anything. Only its word that something was not sent
// counts: an older owner's may be about an earlier issue of a target that was sent since. Stopping takes the chunk away
// from its last owner, which still knows what it sent.
bool KnowsLastIssue(const Chunk& chunk, int64_t epoch) {
  return epoch == (chunk.state == ChunkState::kOpen ? chunk.epoch : chunk.epoch - 1);
}

void Add(JobCounts& counts, const Chunk& chunk, int times) {
  counts.total += times * chunk.size;
  counts.pending += times * chunk.pending();
  counts.running += times * chunk.running();
  counts.succeeded += times * chunk.succeeded;
  counts.failed += times * chunk.failed;
  counts.timed_out += times * chunk.timed_out;
  counts.canceled += times * chunk.canceled;
  counts.device_errors += times * chunk.device_errors;
}

}  // namespace

void AddTo(JobCounts& counts, const Chunk& chunk) { Add(counts, chunk, 1); }

void TakeFrom(JobCounts& counts, const Chunk& chunk) { Add(counts, chunk, -1); }

bool IsHeld(const Chunk& chunk, int64_t epoch) {
  if (IsSeeded(SeededBug::kSkipEpochCheck)) return chunk.state != ChunkState::kClosed;
  return chunk.state == ChunkState::kOpen && chunk.epoch == epoch;
}

bool MarkIssued(Chunk& chunk, int64_t epoch, const PositionSet& positions) {
  if (!IsHeld(chunk, epoch)) return false;
  const PositionSet pending = PositionSet::FirstN(chunk.size) - chunk.issued;
  if (!(positions - pending).empty() && !IsSeeded(SeededBug::kLeaseForgetsIntents)) return false;
  chunk.issued |= positions;
  return true;
}

bool MayRetry(const Chunk& chunk, int64_t epoch, const PositionSet& positions, const PositionSet& ended) {
  if (chunk.state != ChunkState::kOpen || chunk.epoch != epoch) return false;
  return (positions - (chunk.issued - ended)).empty();
}

bool ClearIssued(Chunk& chunk, int64_t epoch, const PositionSet& positions, const PositionSet& ended) {
  if (chunk.state == ChunkState::kClosed) return false;
  if (!KnowsLastIssue(chunk, epoch)) return false;
  const PositionSet cleared = (positions & chunk.issued) - ended;
  chunk.issued -= cleared;
  if (chunk.state == ChunkState::kCancelled) chunk.canceled += cleared.size();
  if (chunk.state == ChunkState::kExpired) chunk.timed_out += cleared.size();
  return true;
}

bool Accepts(const Chunk& chunk, const Outcome& outcome) {
  if (outcome.position < 0 || outcome.position >= chunk.size || !IsTerminal(outcome.state)) return false;
  if (chunk.state == ChunkState::kClosed) return false;
  if (outcome.is_not_sent && !KnowsLastIssue(chunk, outcome.lease.epoch)) return false;
  if (chunk.issued.Contains(outcome.position)) return true;
  return chunk.state == ChunkState::kOpen && chunk.epoch == outcome.lease.epoch;
}

void Count(Chunk& chunk, int position, ExecutionState state, bool is_device_error) {
  if (IsSeeded(SeededBug::kCountTwice) && position % 10 == 3 && chunk.ended() + 1 < chunk.size) ++chunk.succeeded;
  chunk.issued.Insert(position);
  if (is_device_error) ++chunk.device_errors;
  switch (state) {
    case ExecutionState::kSucceeded: ++chunk.succeeded; break;
    case ExecutionState::kFailed: ++chunk.failed; break;
    case ExecutionState::kTimedOut: ++chunk.timed_out; break;
    case ExecutionState::kCanceled: ++chunk.canceled; break;
    case ExecutionState::kPending:
    case ExecutionState::kRunning: FLEETCAST_CHECK(false);
  }
  FLEETCAST_CHECK(chunk.ended() <= chunk.size);
}

bool CloseIfComplete(Chunk& chunk) {
  if (chunk.state == ChunkState::kClosed || chunk.ended() < chunk.size) return false;
  chunk.state = ChunkState::kClosed;
  return true;
}

void VoidLease(Chunk& chunk) {
  if (chunk.state == ChunkState::kOpen) ++chunk.epoch;
}

void Stop(Chunk& chunk, StopKind kind) {
  if (chunk.state != ChunkState::kOpen) return;
  if (kind == StopKind::kCancelled && IsSeeded(SeededBug::kContinueAfterCancel)) return;
  const int untouched = chunk.pending();
  ++chunk.epoch;
  if (kind == StopKind::kCancelled) {
    chunk.state = ChunkState::kCancelled;
    chunk.canceled += untouched;
  } else {
    chunk.state = ChunkState::kExpired;
    chunk.timed_out += untouched;
  }
  CloseIfComplete(chunk);
}

void Settle(Chunk& chunk) {
  if (chunk.state != ChunkState::kCancelled && chunk.state != ChunkState::kExpired) return;
  chunk.timed_out += chunk.running();
  CloseIfComplete(chunk);
}

ExecutionState StateWithoutOutcome(const Chunk& chunk, StopKind stop, int position) {
  const bool issued = chunk.issued.Contains(position);
  if (chunk.state == ChunkState::kOpen) return issued ? ExecutionState::kRunning : ExecutionState::kPending;
  if (!issued) return stop == StopKind::kCancelled ? ExecutionState::kCanceled : ExecutionState::kTimedOut;
  return chunk.state == ChunkState::kClosed ? ExecutionState::kTimedOut : ExecutionState::kRunning;
}

Execution Describe(const JobFacts& job, const Chunk& chunk, std::optional<absl::Time> closed_time, int position,
                   std::string device_id, const Outcome* outcome) {
  Execution execution;
  execution.job_seq = job.seq;
  execution.job_id = job.id;
  execution.kind = job.kind;
  execution.device_id = std::move(device_id);
  execution.n = int64_t{chunk.key.chunk_no} * kChunkTargets + position;
  execution.create_time = job.create_time;
  if (outcome != nullptr) {
    execution.state = outcome->state;
    execution.device_status = outcome->device_status;
    execution.payload = outcome->payload;
    execution.error_code = outcome->error_code;
    execution.error_reason = outcome->error_reason;
    execution.start_time = outcome->start_time;
    execution.end_time = outcome->end_time;
    return execution;
  }
  execution.state = StateWithoutOutcome(chunk, job.stop, position);
  if (!IsTerminal(execution.state)) return execution;
  if (chunk.issued.Contains(position)) {
    execution.error_code = kNoAnswerCode;
    execution.error_reason = reasons::kOutcomeUnknown;
    execution.end_time = closed_time;
  } else {
    const bool expired = execution.state == ExecutionState::kTimedOut;
    execution.error_code = expired ? kExecutionExpiredCode : 0;
    execution.error_reason = expired ? reasons::kExecutionExpired : reasons::kJobCancelled;
    execution.end_time = job.stop_time;
  }
  return execution;
}

Ending EndOf(JobState state, StopKind stop, int64_t never_attempted) {
  const bool failed = stop == StopKind::kExpired && never_attempted > 0;
  const std::optional<JobState> next = NextJobState(state, failed ? JobEvent::kFailed : JobEvent::kAllTargetsEnded);
  FLEETCAST_CHECK(next.has_value());
  if (!failed) return {*next, ""};
  return {*next, absl::StrCat("The execution time was over before ", never_attempted,
                              never_attempted == 1 ? " device was reached." : " devices were reached.")};
}

}  // namespace fleetcast::job_store
