// The life cycles of a job and of one job on one device (an execution). The only place that knows which state may
// follow which; stores and services ask here.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fleetcast {

// Where a job stands. The numbers are those of jobs.v1.Job.State and are stored in the database.
enum class JobState : int16_t {
  kQueued = 1,      // Stored, not yet picked up.
  kScheduled = 2,   // Waits for its start time.
  kResolving = 3,   // The target set is being frozen.
  kRunning = 4,     // Devices are being called or written.
  kCancelling = 5,  // Cancelled; outcomes of what was sent still come in.
  kCompleted = 6,   // Every target has an outcome.
  kFailed = 7,      // The job as a whole could not run.
  kCancelled = 8,   // Stopped on request.
};

// What can happen to a job.
enum class JobEvent {
  kTimerArmed,       // The scheduler has seen it; its start time lies ahead.
  kDue,              // Its start time has come.
  kTargetsFrozen,    // The target set is complete and not empty.
  kAllTargetsEnded,  // Every target has an outcome; also when there was no target.
  kFailed,           // The job as a whole cannot go on.
  kCancelRequested,
};

// The state after `event` in `state`; nullopt where the event has no place in that state. Never leaves a terminal
// state.
constexpr std::optional<JobState> NextJobState(JobState state, JobEvent event) {
  const bool waiting = state == JobState::kQueued || state == JobState::kScheduled;
  switch (event) {
    case JobEvent::kTimerArmed:
      if (state == JobState::kQueued) return JobState::kScheduled;
      break;
    case JobEvent::kDue:
      if (waiting) return JobState::kResolving;
      break;
    case JobEvent::kTargetsFrozen:
      if (state == JobState::kResolving) return JobState::kRunning;
      break;
    case JobEvent::kAllTargetsEnded:
      if (state == JobState::kResolving || state == JobState::kRunning) return JobState::kCompleted;
      if (state == JobState::kCancelling) return JobState::kCancelled;
      break;
    case JobEvent::kFailed:
      if (waiting || state == JobState::kResolving || state == JobState::kRunning) return JobState::kFailed;
      break;
    case JobEvent::kCancelRequested:
      if (waiting || state == JobState::kResolving) return JobState::kCancelled;
      if (state == JobState::kRunning) return JobState::kCancelling;
      break;
  }
  return std::nullopt;
}

// True for completed, failed and cancelled: nothing changes any more.
constexpr bool IsTerminal(JobState state) {
  return state == JobState::kCompleted || state == JobState::kFailed || state == JobState::kCancelled;
}

// The state's name in lower case, as it stands in logs, metrics and the command line.
constexpr std::string_view JobStateName(JobState state) {
  switch (state) {
    case JobState::kQueued: return "queued";
    case JobState::kScheduled: return "scheduled";
    case JobState::kResolving: return "resolving";
    case JobState::kRunning: return "running";
    case JobState::kCancelling: return "cancelling";
    case JobState::kCompleted: return "completed";
    case JobState::kFailed: return "failed";
    case JobState::kCancelled: return "cancelled";
  }
  return "unknown";
}

// Where one job stands on one device. The numbers are those of jobs.v1.Execution.State and are stored.
enum class ExecutionState : int16_t {
  kPending = 1,    // Not yet sent.
  kRunning = 2,    // Sent, or perhaps sent; no outcome yet.
  kSucceeded = 3,  // The device answered, with whatever status; or the twin was written.
  kFailed = 4,     // Could not be done.
  kTimedOut = 5,   // No answer in time, or the job's execution time was over.
  kCanceled = 6,   // The job was cancelled first.
};

// True for succeeded, failed, timed out and canceled: exactly one of them, once and for ever (rule J4).
constexpr bool IsTerminal(ExecutionState state) {
  return state != ExecutionState::kPending && state != ExecutionState::kRunning;
}

}  // namespace fleetcast
