// JobStore in memory, for unit tests and simulation: complete, and as strict about leases and epochs as the real one
// (both pass job_store_contract.h). Nothing survives it.
#pragma once

#include <map>
#include <string>

#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/job_store/chunk.h"
#include "libs/job_store/job_store.h"

namespace fleetcast::job_store {

// Thread-safe. `clock` plays the database's clock; deadlines are not looked at.
class MemoryJobStore final : public JobStore {
 public:
  explicit MemoryJobStore(Clock& clock) : clock_(clock) {}

  absl::StatusOr<CreateResult> CreateJob(absl::Time deadline, const CreateRequest& request) override;
  absl::StatusOr<Job> GetJob(absl::Time deadline, std::string_view job_id) override;
  absl::StatusOr<Page<Job, int64_t>> ListJobs(absl::Time deadline, const ListJobsRequest& request) override;
  absl::StatusOr<int64_t> CountActive(absl::Time deadline) override;
  absl::StatusOr<StopResult> CancelJob(absl::Time deadline, const CancelRequest& request) override;
  absl::StatusOr<StopResult> PauseJob(absl::Time deadline, std::string_view job_id) override;
  absl::StatusOr<Job> ResumeJob(absl::Time deadline, std::string_view job_id) override;
  absl::StatusOr<StopResult> UpdateJob(absl::Time deadline, std::string_view job_id, const JobChange& change) override;

  absl::StatusOr<PromoteResult> PromoteDue(absl::Time deadline, int limit) override;
  absl::StatusOr<std::optional<ResolveLease>> AcquireResolve(absl::Time deadline, std::string_view owner,
                                                             absl::Duration ttl) override;
  absl::Status AppendTargets(absl::Time deadline, ResolveLease& lease, std::span<const std::string> device_ids,
                             absl::Duration ttl) override;
  absl::Status FinishResolve(absl::Time deadline, const ResolveLease& lease) override;
  absl::Status FailJob(absl::Time deadline, std::string_view job_id, std::string_view reason) override;

  absl::StatusOr<std::vector<std::string>> ListRetriedTargets(absl::Time deadline,
                                                              const ListRetriedTargetsRequest& request) override;

  absl::StatusOr<std::vector<LeasedChunk>> LeaseChunks(absl::Time deadline, const LeaseRequest& request) override;
  absl::StatusOr<std::vector<ChunkKey>> RenewLeases(absl::Time deadline, std::span<const ChunkLease> leases,
                                                    absl::Duration ttl) override;
  absl::Status ReleaseChunks(absl::Time deadline, std::span<const ChunkLease> leases) override;
  absl::StatusOr<std::vector<bool>> MarkIssued(absl::Time deadline, std::span<const IssueRequest> requests) override;
  absl::StatusOr<std::vector<bool>> ClearIssued(absl::Time deadline, std::span<const IssueRequest> requests) override;
  absl::StatusOr<RecordResult> RecordOutcomes(absl::Time deadline, std::span<const Outcome> outcomes) override;
  absl::StatusOr<ExpireResult> ExpireJobs(absl::Time deadline, absl::Duration grace, int limit) override;

  absl::StatusOr<MaintainResult> Maintain(absl::Time deadline, const MaintainRequest& request) override;

  absl::StatusOr<Execution> GetExecution(absl::Time deadline, std::string_view job_id,
                                         std::string_view device_id) override;
  absl::StatusOr<Page<Execution, int64_t>> ListExecutions(absl::Time deadline,
                                                          const ListExecutionsRequest& request) override;
  absl::StatusOr<Page<Execution, int64_t>> ListExecutionsOfDevice(absl::Time deadline,
                                                                  const ListDeviceExecutionsRequest& request) override;

 private:
  struct ChunkRecord {
    Chunk chunk;
    std::vector<std::string> device_ids;
    std::string owner;
    std::optional<absl::Time> lease_until;
    std::optional<absl::Time> last_issue_time;
    std::optional<absl::Time> closed_time;
    std::map<int, Outcome> outcomes;  // By position.
    std::map<int, int> retries;       // By position: the highest number that was begun.
  };
  struct JobRecord {
    Job job;  // Its counts are not kept here.
    std::string request_hash;
    std::string request_id;
    absl::Time due_time;
    int64_t resolve_epoch = 0;
    std::optional<absl::Time> resolve_lease_until;
    std::string last_device_id;
    int64_t target_count = 0;
    bool frozen = false;
    StopKind stop = StopKind::kNone;
    std::optional<absl::Time> stop_time;
    std::optional<absl::Time> drain_until;
    std::vector<ChunkRecord> chunks;  // By number.
  };

  JobRecord* Find(std::string_view job_id) REQUIRES(mutex_);
  ChunkRecord* Find(const ChunkKey& key) REQUIRES(mutex_);
  // The chunk of a lease that still holds; else null.
  ChunkRecord* FindHeld(const ChunkLease& lease) REQUIRES(mutex_);
  std::vector<ChunkRecord*> FreeChunks(const LeaseRequest& request) REQUIRES(mutex_);
  // Free chunks of one job, in the order in which they should be leased.
  std::vector<ChunkRecord*> FreeChunksOf(JobRecord& record, const std::string& owner) REQUIRES(mutex_);
  LeasedChunk Lease(ChunkRecord& record, const LeaseRequest& request, std::shared_ptr<const Job> job) REQUIRES(mutex_);
  // Whether these retries may be begun under `lease`.
  static bool MayBegin(const ChunkRecord& record, const ChunkLease& lease, const std::map<int, int>& retries);
  static PositionSet Ended(const ChunkRecord& record);
  // The job with its counts.
  Job WithCounts(const JobRecord& record) const REQUIRES(mutex_);
  // Why the job cannot be paused, resumed or changed; OK when it can.
  absl::Status CheckChangeable(const JobRecord* record, std::string_view job_id) const REQUIRES(mutex_);
  // Takes a job from whoever works on it. True when something may be under way to a device.
  bool VoidLeases(JobRecord& record) REQUIRES(mutex_);
  void SetState(JobRecord& record, JobState state) REQUIRES(mutex_);
  // Stops all chunks of a running job.
  void StopAll(JobRecord& record, StopKind kind, absl::Duration drain) REQUIRES(mutex_);
  // Stamps a chunk that is closed now.
  void NoteClosed(ChunkRecord& chunk) REQUIRES(mutex_);
  // Ends a job whose chunks are all closed. True when it did so.
  bool EndIfComplete(JobRecord& record) REQUIRES(mutex_);
  Execution DescribeTarget(const JobRecord& record, const ChunkRecord& chunk, int position) const REQUIRES(mutex_);

  Clock& clock_;
  mutable Mutex mutex_;
  std::map<int64_t, JobRecord> jobs_ GUARDED_BY(mutex_);  // By seq.
};

}  // namespace fleetcast::job_store
