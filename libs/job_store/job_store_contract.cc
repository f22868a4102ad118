#include "libs/job_store/job_store_contract.h"

#include <thread>

#include "libs/testing/wait_for.h"

namespace fleetcast::job_store {

using fleetcast::testing::IsOk;
using fleetcast::testing::IsOkAndHolds;
using fleetcast::testing::StatusIs;
using fleetcast::testing::WaitFor;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Code = absl::StatusCode;

// --- Steps ----------------------------------------------------------------------------------------------------------

CreateRequest JobStoreContract::MethodJob(const std::string& id) {
  CreateRequest request;
  request.spec.id = id;
  request.spec.condition = "tags.building = '43'";
  request.spec.action = MethodAction{"lockDoor", R"({"floor":3})", absl::Seconds(45), absl::Seconds(10)};
  request.spec.execution_timeout = absl::Hours(1);
  request.spec.status_message = "remark";
  request.request_hash = "hash of " + id;
  return request;
}

CreateRequest JobStoreContract::TwinJob(const std::string& id) {
  CreateRequest request = MethodJob(id);
  request.spec.action = TwinAction{R"({"building":"43"})", R"({"floor":3})", "*"};
  return request;
}

std::vector<std::string> JobStoreContract::Devices(int count, const std::string& prefix) {
  std::vector<std::string> ids;
  for (int i = 0; i < count; ++i) ids.push_back(prefix + std::to_string(10'000 + i));
  return ids;
}

void JobStoreContract::RunOver(const CreateRequest& request, const std::vector<std::vector<std::string>>& pages) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), request));
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 10));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(std::optional<ResolveLease> lease, store_.AcquireResolve(Soon(), "one", kTtl));
  ASSERT_TRUE(lease.has_value());
  ASSERT_EQ(lease->job_id, request.spec.id);
  for (const auto& page : pages) FLEETCAST_ASSERT_OK(store_.AppendTargets(Soon(), *lease, page, kTtl));
  FLEETCAST_ASSERT_OK(store_.FinishResolve(Soon(), *lease));
}

void JobStoreContract::Run(const CreateRequest& request, const std::vector<std::string>& devices) {
  RunOver(request, {devices});
}

void JobStoreContract::RunInChunks(const CreateRequest& request, int chunks, int per_chunk) {
  const std::vector<std::string> devices = Devices(chunks * per_chunk);
  std::vector<std::vector<std::string>> pages;
  for (int i = 0; i < chunks; ++i) {
    pages.emplace_back(devices.begin() + i * per_chunk, devices.begin() + (i + 1) * per_chunk);
  }
  RunOver(request, pages);
}

std::vector<LeasedChunk> JobStoreContract::Lease(int limit, const std::string& owner, absl::Duration ttl) {
  auto leased = store_.LeaseChunks(Soon(), {.owner = owner, .limit = limit, .ttl = ttl});
  FLEETCAST_EXPECT_OK(leased);
  return leased.ok() ? *std::move(leased) : std::vector<LeasedChunk>();
}

LeasedChunk JobStoreContract::LeaseOne() {
  std::vector<LeasedChunk> leased = Lease();
  EXPECT_THAT(leased, SizeIs(1));
  return leased.empty() ? LeasedChunk() : leased.front();
}

bool JobStoreContract::Mark(const ChunkLease& lease, const PositionSet& positions) {
  const auto marked = store_.MarkIssued(Soon(), std::vector<IssueRequest>{{lease, positions}});
  FLEETCAST_EXPECT_OK(marked);
  return marked.ok() && marked->front();
}

bool JobStoreContract::Clear(const ChunkLease& lease, const PositionSet& positions) {
  const auto cleared = store_.ClearIssued(Soon(), std::vector<IssueRequest>{{lease, positions}});
  FLEETCAST_EXPECT_OK(cleared);
  return cleared.ok() && cleared->front();
}

RecordResult JobStoreContract::Record(const ChunkLease& lease, const PositionSet& positions, ExecutionState state) {
  std::vector<Outcome> outcomes;
  for (const int position : positions.ToVector()) {
    Outcome outcome;
    outcome.lease = lease;
    outcome.position = position;
    outcome.state = state;
    if (state == ExecutionState::kSucceeded) {
      outcome.device_status = 200;
      outcome.payload = R"({"locked":true})";
    } else {
      outcome.error_code = 404103;
      outcome.error_reason = "DEVICE_NOT_ONLINE";
    }
    outcome.start_time = absl::FromUnixMicros(1'000'001);
    outcome.end_time = absl::FromUnixMicros(2'000'002);
    outcomes.push_back(std::move(outcome));
  }
  const auto result = store_.RecordOutcomes(Soon(), outcomes);
  FLEETCAST_EXPECT_OK(result);
  return result.ok() ? *result : RecordResult();
}

Job JobStoreContract::Get(const std::string& id) {
  const auto job = store_.GetJob(Soon(), id);
  FLEETCAST_EXPECT_OK(job);
  if (!job.ok()) return {};
  const JobCounts& counts = job->counts;
  EXPECT_EQ(counts.total,
            counts.pending + counts.running + counts.succeeded + counts.failed + counts.timed_out + counts.canceled);
  return *job;
}

Execution JobStoreContract::GetOn(const std::string& job_id, const std::string& device_id) {
  const auto execution = store_.GetExecution(Soon(), job_id, device_id);
  FLEETCAST_EXPECT_OK(execution);
  return execution.ok() ? *execution : Execution();
}

// --- The job resource -----------------------------------------------------------------------------------------------

TEST_P(JobStoreContract, KeepsEverythingOfAMethodJob) {
  CreateRequest request = MethodJob("job-1");
  request.spec.start_time = absl::FromUnixMicros(4'000'000'000'123'456);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const CreateResult created, store_.CreateJob(Soon(), request));
  EXPECT_TRUE(created.created);
  const Job job = Get("job-1");
  EXPECT_EQ(job.seq, created.job.seq);
  EXPECT_EQ(job.spec.condition, request.spec.condition);
  const auto& action = std::get<MethodAction>(job.spec.action);
  EXPECT_EQ(action.method, "lockDoor");
  EXPECT_EQ(action.payload, R"({"floor":3})");
  EXPECT_EQ(action.response_timeout, absl::Seconds(45));
  EXPECT_EQ(action.connect_timeout, absl::Seconds(10));
  EXPECT_EQ(job.spec.start_time, request.spec.start_time);
  EXPECT_EQ(job.spec.execution_timeout, absl::Hours(1));
  EXPECT_EQ(job.spec.status_message, "remark");
  EXPECT_EQ(job.state, JobState::kQueued);
  EXPECT_EQ(job.counts, JobCounts());
  EXPECT_EQ(job.started_time, std::nullopt);
  EXPECT_EQ(job.end_time, std::nullopt);
}

TEST_P(JobStoreContract, KeepsEverythingOfATwinJob) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), TwinJob("job-1")));
  const Job job = Get("job-1");
  const auto& action = std::get<TwinAction>(job.spec.action);
  EXPECT_EQ(action.tags_patch, R"({"building":"43"})");
  EXPECT_EQ(action.desired_patch, R"({"floor":3})");
  EXPECT_EQ(action.etag, "*");
  EXPECT_EQ(job.spec.start_time, std::nullopt);
}

TEST_P(JobStoreContract, TheSameRequestAgainIsTheSameJob) {
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const CreateResult first, store_.CreateJob(Soon(), MethodJob("job-1")));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const CreateResult second, store_.CreateJob(Soon(), MethodJob("job-1")));
  EXPECT_FALSE(second.created);
  EXPECT_EQ(second.job.seq, first.job.seq);
}

TEST_P(JobStoreContract, AnotherRequestDoesNotGetATakenId) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  CreateRequest other = TwinJob("job-1");
  other.request_hash = "other";
  EXPECT_THAT(store_.CreateJob(Soon(), other), StatusIs(Code::kAlreadyExists, "JOB_ALREADY_EXISTS"));
  EXPECT_EQ(KindOf(Get("job-1").spec.action), ActionKind::kInvokeMethod);
}

TEST_P(JobStoreContract, ARequestIdNamesOneRequest) {
  CreateRequest request = MethodJob("job-1");
  request.request_id = "r";
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), request));
  EXPECT_THAT(store_.CreateJob(Soon(), request)->created, false);
  CreateRequest other = MethodJob("job-2");
  other.request_id = "r";
  EXPECT_THAT(store_.CreateJob(Soon(), other), StatusIs(Code::kAlreadyExists, "JOB_ALREADY_EXISTS"));
  FLEETCAST_EXPECT_OK(store_.CreateJob(Soon(), MethodJob("job-3")));
  FLEETCAST_EXPECT_OK(store_.CreateJob(Soon(), MethodJob("job-4")));
}

TEST_P(JobStoreContract, WhatMayOnlyBeARepeatIsNotStored) {
  CreateRequest request = MethodJob("job-1");
  request.request_id = "r";
  request.only_repeat = true;
  EXPECT_THAT(store_.CreateJob(Soon(), request), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
  EXPECT_THAT(store_.CountActive(Soon()), IsOkAndHolds(0));
  request.only_repeat = false;
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const CreateResult first, store_.CreateJob(Soon(), request));
  request.only_repeat = true;
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const CreateResult second, store_.CreateJob(Soon(), request));
  EXPECT_FALSE(second.created);
  EXPECT_EQ(second.job.seq, first.job.seq);
  request.request_hash = "other";
  EXPECT_THAT(store_.CreateJob(Soon(), request), StatusIs(Code::kAlreadyExists, "JOB_ALREADY_EXISTS"));
}

TEST_P(JobStoreContract, UnknownJobsAreNotFound) {
  EXPECT_THAT(store_.GetJob(Soon(), "nope"), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
  EXPECT_THAT(store_.CancelJob(Soon(), {.job_id = "nope", .drain = kDrain}),
              StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
  EXPECT_THAT(store_.FailJob(Soon(), "nope", "why"), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
  EXPECT_THAT(store_.GetExecution(Soon(), "nope", "d"), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
  EXPECT_THAT(store_.ListExecutions(Soon(), {.job_id = "nope"}), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
}

TEST_P(JobStoreContract, ListsNewestFirstInPages) {
  for (const char* id : {"a", "b", "c"}) FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob(id)));
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), TwinJob("t")));
  FLEETCAST_ASSERT_OK(store_.CancelJob(Soon(), {.job_id = "b", .drain = kDrain}));

  ListJobsRequest request{.page_size = 3};
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto first, store_.ListJobs(Soon(), request));
  ASSERT_THAT(first.entries, SizeIs(3));
  EXPECT_EQ(first.entries[0].spec.id, "t");
  EXPECT_EQ(first.entries[2].spec.id, "b");
  request.before_seq = first.next;
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto second, store_.ListJobs(Soon(), request));
  ASSERT_THAT(second.entries, SizeIs(1));
  EXPECT_EQ(second.next, std::nullopt);

  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto twins, store_.ListJobs(Soon(), {.kind = ActionKind::kUpdateTwin}));
  EXPECT_THAT(twins.entries, SizeIs(1));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto cancelled, store_.ListJobs(Soon(), {.states = {JobState::kCancelled}}));
  ASSERT_THAT(cancelled.entries, SizeIs(1));
  EXPECT_EQ(cancelled.entries[0].spec.id, "b");
  EXPECT_THAT(store_.CountActive(Soon()), IsOkAndHolds(3));
}

// --- Start and target set -------------------------------------------------------------------------------------------

TEST_P(JobStoreContract, WithoutAWaitingJobThereIsNoNextStart) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("now")));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const PromoteResult result, store_.PromoteDue(Soon(), 10));
  EXPECT_EQ(result.started, 1);
  EXPECT_EQ(result.until_next, std::nullopt);
}

TEST_P(JobStoreContract, DueJobsStartAndLaterOnesAreArmed) {
  CreateRequest later = MethodJob("later");
  later.spec.start_time = absl::Now() + absl::Minutes(10);
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), later));
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("now")));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const PromoteResult result, store_.PromoteDue(Soon(), 10));
  EXPECT_EQ(result.started, 1);
  EXPECT_EQ(result.armed, 1);
  ASSERT_TRUE(result.until_next.has_value());
  EXPECT_GT(*result.until_next, absl::Minutes(9));
  EXPECT_LE(*result.until_next, absl::Minutes(10));
  EXPECT_EQ(Get("now").state, JobState::kResolving);
  EXPECT_TRUE(Get("now").started_time.has_value());
  EXPECT_EQ(Get("later").state, JobState::kScheduled);

  FLEETCAST_ASSERT_OK_AND_ASSIGN(const PromoteResult again, store_.PromoteDue(Soon(), 10));
  EXPECT_EQ(again.started + again.armed, 0);
}

TEST_P(JobStoreContract, AScheduledJobStartsWhenItsTimeHasCome) {
  CreateRequest soon = MethodJob("soon");
  soon.spec.start_time = absl::Now() + absl::Milliseconds(100);
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), soon));
  int started = 0;
  EXPECT_TRUE(WaitFor([&] {
    const auto result = store_.PromoteDue(Soon(), 10);
    started += result.ok() ? result->started : 0;
    return started > 0;
  }));
  EXPECT_GE(*Get("soon").started_time, *Get("soon").spec.start_time);
}

TEST_P(JobStoreContract, ResolvingGoesOnWhereAnotherStopped) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 10));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(auto first, store_.AcquireResolve(Soon(), "one", absl::Milliseconds(1)));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->condition, "tags.building = '43'");
  const std::vector<std::string> devices = Devices(2'500);
  FLEETCAST_ASSERT_OK(store_.AppendTargets(Soon(), *first, std::span(devices).first(2'000), absl::Milliseconds(1)));
  EXPECT_EQ(Get("job-1").counts, JobCounts()) << "nothing is told before the set is frozen";

  std::optional<ResolveLease> second;
  ASSERT_TRUE(WaitFor([&] {
    auto acquired = store_.AcquireResolve(Soon(), "two", kTtl);
    if (acquired.ok()) second = *acquired;
    return second.has_value();
  }));
  EXPECT_EQ(second->last_device_id, devices[1'999]);
  EXPECT_EQ(second->target_count, 2'000);
  EXPECT_THAT(store_.AppendTargets(Soon(), *first, std::span(devices).subspan(2'000), kTtl),
              StatusIs(Code::kAborted, "LEASE_LOST"));
  FLEETCAST_ASSERT_OK(store_.AppendTargets(Soon(), *second, std::span(devices).subspan(2'000), kTtl));
  EXPECT_THAT(store_.FinishResolve(Soon(), *first), StatusIs(Code::kAborted, "LEASE_LOST"));
  FLEETCAST_ASSERT_OK(store_.FinishResolve(Soon(), *second));
  FLEETCAST_EXPECT_OK(store_.FinishResolve(Soon(), *second)) << "a repeat";
  EXPECT_EQ(Get("job-1").state, JobState::kRunning);
  EXPECT_EQ(Get("job-1").counts.total, 2'500);
  EXPECT_EQ(Get("job-1").counts.pending, 2'500);
}

TEST_P(JobStoreContract, NobodyElseResolvesWhileTheLeaseHolds) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 10));
  EXPECT_TRUE(store_.AcquireResolve(Soon(), "one", kTtl)->has_value());
  EXPECT_FALSE(store_.AcquireResolve(Soon(), "two", kTtl)->has_value());
}

TEST_P(JobStoreContract, TargetsMustAscend) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 10));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(auto lease, store_.AcquireResolve(Soon(), "one", kTtl));
  const std::vector<std::string> twice = {"a", "a"};
  EXPECT_THAT(store_.AppendTargets(Soon(), *lease, twice, kTtl), StatusIs(Code::kInvalidArgument));
  const std::vector<std::string> good = {"a", "b"};
  FLEETCAST_EXPECT_OK(store_.AppendTargets(Soon(), *lease, good, kTtl));
  EXPECT_THAT(store_.AppendTargets(Soon(), *lease, good, kTtl), StatusIs(Code::kInvalidArgument));
}

TEST_P(JobStoreContract, AJobWithoutTargetsIsComplete) {
  Run(MethodJob("job-1"), {});
  const Job job = Get("job-1");
  EXPECT_EQ(job.state, JobState::kCompleted);
  EXPECT_EQ(job.counts, JobCounts());
  EXPECT_TRUE(job.end_time.has_value());
}

TEST_P(JobStoreContract, AJobThatCannotRunFails) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 10));
  FLEETCAST_ASSERT_OK(store_.FailJob(Soon(), "job-1", "The condition does not parse."));
  EXPECT_EQ(Get("job-1").state, JobState::kFailed);
  EXPECT_EQ(Get("job-1").failure_reason, "The condition does not parse.");
  EXPECT_THAT(store_.FailJob(Soon(), "job-1", "again"), StatusIs(Code::kFailedPrecondition, "JOB_NOT_IN_STATE"));
  Run(MethodJob("job-2"), Devices(1));
  EXPECT_THAT(store_.FailJob(Soon(), "job-2", "no"), StatusIs(Code::kFailedPrecondition, "JOB_NOT_IN_STATE"));
}

}  // namespace fleetcast::job_store
