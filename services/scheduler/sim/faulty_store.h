// A job store that fails now and then: before it did the work, or, nastier, after.
#pragma once

#include <functional>
#include <span>
#include <utility>

#include "libs/job_store/job_store.h"
#include "services/scheduler/sim/sim_queue.h"

namespace fleetcast::scheduler::sim {

// Only what the scheduler calls fails; the rest passes through.
class FaultyStore final : public job_store::JobStore {
 public:
  FaultyStore(job_store::JobStore& store, SeededRandom& random) : store_(store), random_(random) {}

  // In a thousand calls: fail without effect, and fail after the effect ("in doubt").
  int fail_per_mille = 0;
  int doubt_per_mille = 0;
  bool never_expires = false;  // A mistake, for tests of the rules: ExpireJobs does nothing.
  // Called after outcomes were recorded, whatever the caller is told.
  std::function<void(std::span<const job_store::Outcome> outcomes, const job_store::RecordResult& result)> on_recorded;

  absl::StatusOr<job_store::CreateResult> CreateJob(absl::Time deadline,
                                                    const job_store::CreateRequest& request) override {
    return store_.CreateJob(deadline, request);
  }
  absl::StatusOr<job_store::Job> GetJob(absl::Time deadline, std::string_view job_id) override {
    return store_.GetJob(deadline, job_id);
  }
  absl::StatusOr<job_store::Page<job_store::Job, int64_t>> ListJobs(
      absl::Time deadline, const job_store::ListJobsRequest& request) override {
    return store_.ListJobs(deadline, request);
  }
  absl::StatusOr<int64_t> CountActive(absl::Time deadline) override { return store_.CountActive(deadline); }
  absl::StatusOr<job_store::StopResult> CancelJob(absl::Time deadline,
                                                  const job_store::CancelRequest& request) override {
    return store_.CancelJob(deadline, request);
  }
  absl::StatusOr<job_store::StopResult> PauseJob(absl::Time deadline, std::string_view job_id) override {
    return store_.PauseJob(deadline, job_id);
  }
  absl::StatusOr<job_store::Job> ResumeJob(absl::Time deadline, std::string_view job_id) override {
    return store_.ResumeJob(deadline, job_id);
  }
  absl::StatusOr<job_store::StopResult> UpdateJob(absl::Time deadline, std::string_view job_id,
                                                  const job_store::JobChange& change) override {
    return store_.UpdateJob(deadline, job_id, change);
  }
  absl::StatusOr<std::vector<std::string>> ListRetriedTargets(
      absl::Time deadline, const job_store::ListRetriedTargetsRequest& request) override {
    return store_.ListRetriedTargets(deadline, request);
  }
  absl::StatusOr<job_store::MaintainResult> Maintain(absl::Time deadline,
                                                     const job_store::MaintainRequest& request) override {
    return store_.Maintain(deadline, request);
  }
  absl::StatusOr<job_store::PromoteResult> PromoteDue(absl::Time deadline, int limit) override {
    return Faulty([&] { return store_.PromoteDue(deadline, limit); });
  }
  absl::StatusOr<std::optional<job_store::ResolveLease>> AcquireResolve(absl::Time deadline, std::string_view owner,
                                                                        absl::Duration ttl) override {
    return Faulty([&] { return store_.AcquireResolve(deadline, owner, ttl); });
  }
  absl::Status AppendTargets(absl::Time deadline, job_store::ResolveLease& lease,
                             std::span<const std::string> device_ids, absl::Duration ttl) override {
    job_store::ResolveLease advanced = lease;
    const absl::Status stored = Faulty([&] { return store_.AppendTargets(deadline, advanced, device_ids, ttl); });
    if (stored.ok()) lease = std::move(advanced);
    return stored;
  }
  absl::Status FinishResolve(absl::Time deadline, const job_store::ResolveLease& lease) override {
    return Faulty([&] { return store_.FinishResolve(deadline, lease); });
  }
  absl::Status FailJob(absl::Time deadline, std::string_view job_id, std::string_view reason) override {
    return store_.FailJob(deadline, job_id, reason);
  }

  absl::StatusOr<std::vector<job_store::LeasedChunk>> LeaseChunks(absl::Time deadline,
                                                                  const job_store::LeaseRequest& request) override {
    return Faulty([&] { return store_.LeaseChunks(deadline, request); });
  }
  absl::StatusOr<std::vector<job_store::ChunkKey>> RenewLeases(absl::Time deadline,
                                                               std::span<const job_store::ChunkLease> leases,
                                                               absl::Duration ttl) override {
    return Faulty([&] { return store_.RenewLeases(deadline, leases, ttl); });
  }
  absl::Status ReleaseChunks(absl::Time deadline, std::span<const job_store::ChunkLease> leases) override {
    return Faulty([&] { return store_.ReleaseChunks(deadline, leases); });
  }
  absl::StatusOr<std::vector<bool>> MarkIssued(absl::Time deadline,
                                               std::span<const job_store::IssueRequest> requests) override {
    return Faulty([&] { return store_.MarkIssued(deadline, requests); });
  }
  absl::StatusOr<std::vector<bool>> ClearIssued(absl::Time deadline,
                                                std::span<const job_store::IssueRequest> requests) override {
    return Faulty([&] { return store_.ClearIssued(deadline, requests); });
  }
  absl::StatusOr<job_store::RecordResult> RecordOutcomes(absl::Time deadline,
                                                         std::span<const job_store::Outcome> outcomes) override {
    return Faulty([&] {
      auto result = store_.RecordOutcomes(deadline, outcomes);
      if (result.ok() && on_recorded) on_recorded(outcomes, *result);
      return result;
    });
  }
  absl::StatusOr<job_store::ExpireResult> ExpireJobs(absl::Time deadline, absl::Duration grace, int limit) override {
    if (never_expires) return job_store::ExpireResult();
    return Faulty([&] { return store_.ExpireJobs(deadline, grace, limit); });
  }

  absl::StatusOr<job_store::Execution> GetExecution(absl::Time deadline, std::string_view job_id,
                                                    std::string_view device_id) override {
    return store_.GetExecution(deadline, job_id, device_id);
  }
  absl::StatusOr<job_store::Page<job_store::Execution, int64_t>> ListExecutions(
      absl::Time deadline, const job_store::ListExecutionsRequest& request) override {
    return store_.ListExecutions(deadline, request);
  }
  absl::StatusOr<job_store::Page<job_store::Execution, int64_t>> ListExecutionsOfDevice(
      absl::Time deadline, const job_store::ListDeviceExecutionsRequest& request) override {
    return store_.ListExecutionsOfDevice(deadline, request);
  }

 private:
  template <typename Call>
  auto Faulty(Call call) -> decltype(call()) {
    if (random_.Chance(fail_per_mille)) return absl::UnavailableError("simulated: before the statement");
    auto result = call();
    if (random_.Chance(doubt_per_mille)) return absl::UnavailableError("simulated: after the commit");
    return result;
  }

  job_store::JobStore& store_;
  SeededRandom& random_;
};

}  // namespace fleetcast::scheduler::sim
