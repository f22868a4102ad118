// The words of the job store: jobs, chunks, outcomes, executions. Plain values without behaviour.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "libs/job_store/position_set.h"
#include "libs/model/job_state.h"
#include "libs/model/rollout.h"

namespace fleetcast::job_store {

// Call a direct method on each device.
struct MethodAction {
  std::string method;
  std::string payload;  // JSON text; empty = null.
  absl::Duration response_timeout;
  absl::Duration connect_timeout;
  // A device that is not connected is called when it connects, until the job's deadline; `connect_timeout` is not
  // looked at.
  bool wait_for_connection = false;
};

// Merge a patch into each device's twin.
struct TwinAction {
  std::string tags_patch;     // JSON object as text; empty = untouched.
  std::string desired_patch;  // JSON object as text; empty = untouched.
  std::string etag;           // Empty or "*" = unconditional.
};

using Action = std::variant<MethodAction, TwinAction>;

// What a job does, as stored; the numbers are those of jobs.v1.ActionKind.
enum class ActionKind : int16_t { kInvokeMethod = 1, kUpdateTwin = 2 };

inline ActionKind KindOf(const Action& action) {
  return std::holds_alternative<MethodAction>(action) ? ActionKind::kInvokeMethod : ActionKind::kUpdateTwin;
}

// How many targets stand where. In every answer total = pending + running + succeeded + failed + timed_out + canceled
// (reliability J6). All zero until the target set is frozen.
struct JobCounts {
  int64_t total = 0;
  int64_t pending = 0;
  int64_t running = 0;
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t timed_out = 0;
  int64_t canceled = 0;
  int64_t device_errors = 0;  // Of `succeeded`: answered with a status of 400 or more. Not part of the sum.

  friend bool operator==(const JobCounts&, const JobCounts&) = default;
};

// A status from which on a device's answer counts as a device error.
inline constexpr int32_t kDeviceErrorStatus = 400;

// Where the targets of a job come from when it repeats an ended one: the targets of that job that ended in certain
// states.
struct RetriedTargets {
  std::string job_id;
  std::set<ExecutionState> states;  // Terminal ones.
  bool device_errors = false;       // Also those that succeeded with a status of kDeviceErrorStatus or more.

  friend bool operator==(const RetriedTargets&, const RetriedTargets&) = default;
};

// What a client asks for. Validated by job_api before it comes here.
struct JobSpec {
  std::string id;
  std::string condition;  // As the client wrote it; parsed again when the job starts.
  Action action;
  std::optional<absl::Time> start_time;  // Not before; unset or past = now.
  absl::Duration execution_timeout;      // From the actual start.
  std::string status_message;            // A remark about how the request was read.
  RolloutPolicy rollout;
  RetryPolicy retry;
  int priority = kPriorityDefault;        // 1 to kPriorityMax.
  std::optional<RetriedTargets> retried;  // Set: `condition` is only for people.
};

// A job as stored. Times have microseconds and come from the database's clock.
struct Job {
  int64_t seq = 0;  // Surrogate key in order of creation; > 0.
  JobSpec spec;
  JobState state = JobState::kQueued;
  JobCounts counts;
  std::string failure_reason;  // A sentence: why it failed, or which abort criterion stopped it; else empty.
  absl::Time create_time;
  std::optional<absl::Time> started_time;  // When the start time was seen to have come.
  std::optional<absl::Time> end_time;
  std::optional<absl::Time> pause_time;  // Set while it is paused.
  int64_t version = 0;                   // Rises with every change of the job itself, not of its counts; the etag.

  // When the execution time is over; unset before the start.
  std::optional<absl::Time> deadline() const {
    if (!started_time.has_value()) return std::nullopt;
    return *started_time + spec.execution_timeout;
  }
};

// Names one chunk of one job.
struct ChunkKey {
  int64_t job_seq = 0;
  int32_t chunk_no = 0;

  friend bool operator==(const ChunkKey&, const ChunkKey&) = default;
  friend auto operator<=>(const ChunkKey&, const ChunkKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ChunkKey& key) {
    return H::combine(std::move(h), key.job_seq, key.chunk_no);
  }
};

// A chunk together with the proof of owning it: statements with an outdated epoch have no effect.
struct ChunkLease {
  ChunkKey key;
  int64_t epoch = 0;
};

// A chunk just leased, with everything its owner needs to go on where the previous one stopped.
struct LeasedChunk {
  ChunkLease lease;
  // Shared by the chunks of one answer. Counts are filled, as of the lease, when the job's rollout is limited; else
  // not.
  std::shared_ptr<const Job> job;
  std::vector<std::string> device_ids;  // By position, ascending.
  PositionSet pending;                  // May be issued.
  // Issued by an earlier owner, no outcome yet: they may have been sent. A method is never issued again; a twin write,
  // which is idempotent, may be repeated.
  PositionSet in_flight;
  std::optional<absl::Time> last_issue_time;  // Of the chunk's latest intent; database time.
  // Retries that were begun, by position; of targets without an outcome. Those that are missing: none.
  std::map<int, int> retries;
};

// The intent to send to some targets of a leased chunk; or the proof that nothing was sent to them.
struct IssueRequest {
  ChunkLease lease;
  PositionSet positions;
  // MarkIssued only: targets that are tried again, with the number of the retry (1 = the first). They are issued
  // already, have no outcome, and are not in `positions`. Each number of a target is recorded once, for ever: so nobody
  // calls it more often than allowed, whatever crashes (reliability M1).
  std::map<int, int> retries{};
};

// Whether an answer with this status counts as a device error.
inline bool IsDeviceError(ExecutionState state, std::optional<int32_t> device_status) {
  return state == ExecutionState::kSucceeded && device_status.value_or(0) >= kDeviceErrorStatus;
}

// How one target ended. The first outcome of a target stands; later ones have no effect.
struct Outcome {
  ChunkLease lease;  // Of the owner that issued it; see RecordOutcomes for when the epoch matters.
  int position = 0;
  ExecutionState state = ExecutionState::kFailed;  // A terminal one.
  std::optional<int32_t> device_status;            // Methods that were answered.
  std::string payload;                             // The device's answer as JSON text; any bytes are kept.
  int32_t error_code = 0;                          // Six digits, for instance 404103; 0 = no error.
  std::string error_reason;                        // UPPER_SNAKE of libs/model/reasons.h; empty = no error.
  std::optional<absl::Time> start_time;            // When the request was issued; unset = it never was.
  absl::Time end_time;
  // It says that nothing was sent: true only as long as nobody else may send. Not stored.
  bool is_not_sent = false;
};

// What became of a batch of outcomes.
struct RecordResult {
  int recorded = 0;  // Newly inserted and counted.
  int repeated = 0;  // The target had an outcome already (or the batch named it twice).
  int refused = 0;   // Never issued and without a valid lease, ended by cancel or expiry, or no such target.
  std::vector<ChunkKey> closed_chunks;  // Complete with this batch: nothing more can happen in them.
  std::vector<std::string> ended_jobs;  // Ids of jobs that ended with this batch.
};

// How one job stands on one device.
struct Execution {
  int64_t job_seq = 0;
  std::string job_id;
  ActionKind kind = ActionKind::kInvokeMethod;
  std::string device_id;
  int64_t n = 0;  // The target's number within the job.
  ExecutionState state = ExecutionState::kPending;
  std::optional<int32_t> device_status;
  std::string payload;
  int32_t error_code = 0;
  std::string error_reason;
  absl::Time create_time;                // Of the job.
  std::optional<absl::Time> start_time;  // When the request was issued, known from the outcome.
  std::optional<absl::Time> end_time;
};

// The right to freeze the targets of one job, and where to go on.
struct ResolveLease {
  int64_t job_seq = 0;
  std::string job_id;
  std::string condition;
  int64_t epoch = 0;
  std::optional<RetriedTargets> retried;  // Set: targets come from ListRetriedTargets, not from the condition.
  std::string last_device_id;             // The last target stored; empty = none yet. Ask for ids after this one.
  int64_t target_count = 0;               // Stored so far.
};

}  // namespace fleetcast::job_store
