// JobStore on PostgreSQL: the schema is schema/*.sql, the rules of a chunk are chunk.h.
//
// Order of locks in every transaction: chunks by key, then counters by job, then jobs by seq (targets of a job that
// resolves: only its job). A counter is waited for only when all of its job are held. Cancel, which has the job's lock
// already, holds all chunks that could still be counted, so nobody else holds a counter.
// LeaseChunks locks limited jobs before chunks, but waits for neither (postgres_leases.cc).
#pragma once

#include "libs/job_store/job_store.h"
#include "libs/postgres/pool.h"

namespace fleetcast::job_store {

// Thread-safe; blocks its caller for the duration of the database's work.
class PostgresJobStore final : public JobStore {
 public:
  // `pool` must outlive the store; its schema is up to date (schema.h).
  explicit PostgresJobStore(postgres::Pool& pool) : pool_(pool) {}

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
  // Tells the schedulers that something changed, after the commit; a hint, so errors are ignored.
  void Notify(absl::Time deadline, std::string_view job_id);

  postgres::Pool& pool_;
};

}  // namespace fleetcast::job_store
