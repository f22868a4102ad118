// Storage of jobs as use cases. Used by job_api (the resource) and scheduler (how it runs).
//
// Errors common to all functions: kUnavailable (database gone; repeat, all functions are idempotent or fenced),
// kDeadlineExceeded, kResourceExhausted (no connection free in time). Those listed at a function are in addition.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/job_store/job.h"

namespace fleetcast::job_store {

// NOTIFY channel hinting that a job was created, cancelled, resumed or changed; the payload is the job's id. A hint
// only: poll as well.
inline constexpr char kNotifyChannel[] = "fleetcast_jobs";
// Most device ids that one AppendTargets takes.
inline constexpr int kAppendTargetsMax = 10'000;
// Most outcomes that one RecordOutcomes takes.
inline constexpr int kRecordOutcomesMax = 2'000;
// Most chunks that one LeaseChunks gives, and that MarkIssued, ClearIssued, RenewLeases and ReleaseChunks take.
inline constexpr int kLeaseChunksMax = 256;
// Most jobs or executions of one page; larger sizes are cut to this.
inline constexpr int kPageSizeMax = 1'000;

struct CreateResult {
  Job job;
  bool created = false;  // False: the same request had been stored before.
};

// `request_hash`: any digest of the request's meaning. `request_id`: the client's key of this request; empty = none.
// `only_repeat`: nothing new is stored, only a job that the same request has stored before is answered.
struct CreateRequest {
  JobSpec spec;
  std::string request_hash;
  std::string request_id;
  bool only_repeat = false;
};

// Empty sets = no restriction. Newest first; `before_seq` (of the last job of the page before) goes on there.
struct ListJobsRequest {
  std::optional<ActionKind> kind{};
  std::set<JobState> states{};
  std::optional<int64_t> before_seq{};
  int page_size = 100;
};

struct ListExecutionsRequest {
  std::string job_id{};
  std::set<ExecutionState> states{};  // Empty = all.
  std::optional<int64_t> after_n{};   // Of the last execution of the page before.
  int page_size = 100;
};

struct ListDeviceExecutionsRequest {
  std::string device_id{};
  std::set<ExecutionState> states{};
  std::optional<ActionKind> kind{};
  std::optional<int64_t> before_seq{};  // Job of the last execution of the page before.
  int page_size = 100;
};

// A page and whether more may follow. A page may hold less than asked for, even nothing, and still have more.
template <typename T, typename Cursor>
struct Page {
  std::vector<T> entries;
  std::optional<Cursor> next;  // Unset on the last page; else the cursor for the next request.
};

struct PromoteResult {
  int started = 0;                           // Now resolving.
  int armed = 0;                             // Now scheduled.
  std::optional<absl::Duration> until_next;  // Until the next start time; unset when no job waits.
};

struct LeaseRequest {
  std::string owner{};                 // Unique per process start, for instance pod name + boot id. Required.
  int limit = 1;                       // At most kLeaseChunksMax.
  int limit_per_job = 0;               // 0 = no limit besides `limit`.
  std::vector<int64_t> except_jobs{};  // Sequence numbers of jobs of which no chunk is wanted: they have their share.
  bool limited_jobs = true;            // Also chunks of jobs whose rollout is limited.
  absl::Duration ttl = absl::Seconds(10);
};

struct CancelRequest {
  std::string job_id{};
  absl::Duration drain;         // How long targets issued before may still answer.
  bool reject_running = false;  // Refuse when the job has started.
  std::string reason{};  // Becomes the job's failure_reason: which abort criterion was met; empty = a client's wish.
};

// A job after it was cancelled, paused or changed.
struct StopResult {
  Job job;
  bool was_issuing = false;  // Something may be under way: wait until permits have run out before answering.
};

// What UpdateJob changes; unset = as it is.
struct JobChange {
  std::optional<RolloutPolicy> rollout{};
  std::optional<int> priority{};
  std::optional<int64_t> if_version{};  // Job::version that the job must still have.
};

struct ListRetriedTargetsRequest {
  RetriedTargets retried{};
  std::string after_device_id{};  // Empty = from the start.
  int limit = kAppendTargetsMax;  // At most kAppendTargetsMax.
};

struct MaintainRequest {
  absl::Duration retention = absl::Hours(24 * 30);  // How long a job is kept after its end.
};

// What one Maintain did.
struct MaintainResult {
  bool is_leader = false;                         // False: another process is at it; nothing was done.
  int partitions_created = 0;                     // For days to come.
  std::vector<std::string> partitions_dropped{};  // Names, for the log.
  int64_t jobs_removed = 0;
  std::vector<std::string> tables_vacuumed{};
  std::vector<std::string> problems{};  // What was left undone and why, for the log; the next round tries again.
  // Rows outside of any day's partition: always 0 unless clocks or maintenance are broken. An alarm.
  int64_t default_partition_rows = 0;
};

struct ExpireResult {
  int expired = 0;                      // Jobs whose execution time was found over; their leases are void.
  int settled = 0;                      // Jobs whose last unanswered targets were given up.
  std::vector<std::string> ended_jobs;  // Of both kinds, those that are terminal now.
};

// Thread-safe. `deadline` bounds each call, waiting for a connection included. Leases, deadlines and due times are
// measured by the database's clock alone.
class JobStore {
 public:
  virtual ~JobStore() = default;

  // --- The job resource -------------------------------------------------------------------------------------------

  // Stores a job as queued. The same id with the same hash answers the stored job. kAlreadyExists JOB_ALREADY_EXISTS:
  // id (or request_id) is taken by another request; nothing changes. kNotFound JOB_NOT_FOUND with `only_repeat`.
  virtual absl::StatusOr<CreateResult> CreateJob(absl::Time deadline, const CreateRequest& request) = 0;

  // The job with its counts. kNotFound JOB_NOT_FOUND.
  virtual absl::StatusOr<Job> GetJob(absl::Time deadline, std::string_view job_id) = 0;

  // Jobs with counts, newest first. The cursor is `before_seq`.
  virtual absl::StatusOr<Page<Job, int64_t>> ListJobs(absl::Time deadline, const ListJobsRequest& request) = 0;

  // How many jobs are not terminal.
  virtual absl::StatusOr<int64_t> CountActive(absl::Time deadline) = 0;

  // Stops a job. In one transaction: the state, a new epoch for every unfinished chunk (so no intent can follow), and
  // "canceled" for every target that was not issued. Targets issued before keep the outcome that still comes; what has
  // none after `drain` is timed out by ExpireJobs. kNotFound JOB_NOT_FOUND; kFailedPrecondition JOB_FINISHED, or
  // JOB_RUNNING with `reject_running` when it is resolving or running. A job that is already cancelling is answered as
  // it stands.
  virtual absl::StatusOr<StopResult> CancelJob(absl::Time deadline, const CancelRequest& request) = 0;

  // Holds a job that has not ended: it is not started, resolved or leased, and every unfinished chunk gets a new epoch,
  // so no intent can follow. A paused one is answered as it stands. kNotFound JOB_NOT_FOUND; kFailedPrecondition
  // JOB_FINISHED (also when it is cancelling or its execution time is over).
  virtual absl::StatusOr<StopResult> PauseJob(absl::Time deadline, std::string_view job_id) = 0;
  // Lets it go on; one that is not paused is answered as it stands. Errors as PauseJob.
  virtual absl::StatusOr<Job> ResumeJob(absl::Time deadline, std::string_view job_id) = 0;

  // Changes a job that has not ended; its unfinished chunks get a new epoch, so that whoever works on them leases them
  // anew and reads the change. Nothing happens when nothing differs. Errors as PauseJob; kAborted ETAG_MISMATCH.
  virtual absl::StatusOr<StopResult> UpdateJob(absl::Time deadline, std::string_view job_id,
                                               const JobChange& change) = 0;

  // --- Start and target set ---------------------------------------------------------------------------------------

  // Moves up to `limit` due jobs that are not paused to resolving (that is their actual start) and arms those that
  // start later.
  virtual absl::StatusOr<PromoteResult> PromoteDue(absl::Time deadline, int limit) = 0;

  // The lease of the oldest resolving job that nobody holds and that is not paused; nullopt when there is none.
  virtual absl::StatusOr<std::optional<ResolveLease>> AcquireResolve(absl::Time deadline, std::string_view owner,
                                                                     absl::Duration ttl) = 0;

  // Stores the next page of targets and extends the lease by `ttl`. `device_ids`: at most kAppendTargetsMax, ascending
  // by byte, all after lease.last_device_id (else kInvalidArgument). Full chunks come of pages of a multiple of
  // kChunkTargets. Advances `lease` on success; a repeat after an unclear error is recognised. kAborted LEASE_LOST.
  virtual absl::Status AppendTargets(absl::Time deadline, ResolveLease& lease, std::span<const std::string> device_ids,
                                     absl::Duration ttl) = 0;

  // Freezes the set: the job runs, or is completed when there is no target. kAborted LEASE_LOST.
  virtual absl::Status FinishResolve(absl::Time deadline, const ResolveLease& lease) = 0;

  // Ends a queued, scheduled or resolving job as failed with `reason`, a sentence for the client; its partial targets
  // are dropped. kNotFound JOB_NOT_FOUND; kFailedPrecondition JOB_NOT_IN_STATE when it runs or has ended.
  virtual absl::Status FailJob(absl::Time deadline, std::string_view job_id, std::string_view reason) = 0;

  // --- Work -------------------------------------------------------------------------------------------------------

  // Leases unfinished chunks of running jobs that nobody holds and that are not paused, turn by turn over the jobs.
  // Trust a lease only until (monotonic time before this call) + ttl - margin. A job whose rollout is limited belongs
  // to one owner at a time: none of its chunks is leased while another owner's lease of one of them has not run out,
  // and chunks that hold issued targets come first. So its owner knows all that is in flight.
  virtual absl::StatusOr<std::vector<LeasedChunk>> LeaseChunks(absl::Time deadline, const LeaseRequest& request) = 0;

  // A page of the targets of an ended job for a job that repeats it: device ids after `after_device_id`, ascending;
  // fewer than `limit` = there are no more. kNotFound JOB_NOT_FOUND (also when retention has removed it).
  virtual absl::StatusOr<std::vector<std::string>> ListRetriedTargets(absl::Time deadline,
                                                                      const ListRetriedTargetsRequest& request) = 0;

  // Extends leases by `ttl` from now. Gives the keys of those that are lost: stop working on them at once.
  virtual absl::StatusOr<std::vector<ChunkKey>> RenewLeases(absl::Time deadline, std::span<const ChunkLease> leases,
                                                            absl::Duration ttl) = 0;

  // Gives leases back before their time. Lost ones are ignored.
  virtual absl::Status ReleaseChunks(absl::Time deadline, std::span<const ChunkLease> leases) = 0;

  // Commits the intent to send: afterwards the targets count as running. One answer per request, in order: true, or
  // false when the lease is lost, a position was not pending, or a later retry was begun before; then nothing of that
  // request may be sent. A retry is begun again under its number when it was provably not sent.
  virtual absl::StatusOr<std::vector<bool>> MarkIssued(absl::Time deadline, std::span<const IssueRequest> requests) = 0;

  // Takes intents back on proof of NOT_SENT: the targets are pending again; in a cancelled or expired job they end as
  // canceled or timed out. One answer per request: false when the lease is lost.
  virtual absl::StatusOr<std::vector<bool>> ClearIssued(absl::Time deadline,
                                                        std::span<const IssueRequest> requests) = 0;

  // Records at most kRecordOutcomesMax outcomes over any chunks of any jobs in one transaction, raises the counters by
  // what was really inserted, closes chunks that are complete and ends jobs whose chunks are all closed. The outcome of
  // an issued target is accepted from everybody (it is the truth about that attempt); that of a target not issued, and
  // one with is_not_sent, needs the chunk's epoch. Repeat freely.
  virtual absl::StatusOr<RecordResult> RecordOutcomes(absl::Time deadline, std::span<const Outcome> outcomes) = 0;

  // Ends what time has ended: jobs past their execution deadline stop issuing, their untouched targets are timed out
  // (400024 EXECUTION_EXPIRED) and their unanswered ones get `grace` more; unanswered targets of cancelled or expired
  // jobs whose time to drain is over are timed out (504101 OUTCOME_UNKNOWN). Such a job ends cancelled; failed when
  // targets were never attempted; else completed. At most `limit` jobs of each kind; any process may call it any time.
  virtual absl::StatusOr<ExpireResult> ExpireJobs(absl::Time deadline, absl::Duration grace, int limit) = 0;

  // --- Upkeep -----------------------------------------------------------------------------------------------------

  // Keeps the tables in shape; any process may call it any time, one at a time does it: makes the partitions of the
  // days to come, drops those of days all of whose jobs ended longer than the retention ago, removes these jobs,
  // vacuums hot tables.
  virtual absl::StatusOr<MaintainResult> Maintain(absl::Time deadline, const MaintainRequest& request) = 0;

  // --- Executions -------------------------------------------------------------------------------------------------

  // kNotFound JOB_NOT_FOUND, or EXECUTION_NOT_FOUND when the device is no target of the job.
  virtual absl::StatusOr<Execution> GetExecution(absl::Time deadline, std::string_view job_id,
                                                 std::string_view device_id) = 0;

  // Executions of a job by device id. The cursor is `after_n`. kNotFound JOB_NOT_FOUND.
  virtual absl::StatusOr<Page<Execution, int64_t>> ListExecutions(absl::Time deadline,
                                                                  const ListExecutionsRequest& request) = 0;

  // Executions of a device, newest job first. The cursor is `before_seq`.
  virtual absl::StatusOr<Page<Execution, int64_t>> ListExecutionsOfDevice(
      absl::Time deadline, const ListDeviceExecutionsRequest& request) = 0;
};

}  // namespace fleetcast::job_store
