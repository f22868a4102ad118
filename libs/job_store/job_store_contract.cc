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

void JobStoreContract::Run(const CreateRequest& request, const std::vector<std::string>& devices) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), request));
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 10));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(std::optional<ResolveLease> lease, store_.AcquireResolve(Soon(), "one", kTtl));
  ASSERT_TRUE(lease.has_value());
  ASSERT_EQ(lease->job_id, request.spec.id);
  FLEETCAST_ASSERT_OK(store_.AppendTargets(Soon(), *lease, devices, kTtl));
  FLEETCAST_ASSERT_OK(store_.FinishResolve(Soon(), *lease));
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

// --- Work -----------------------------------------------------------------------------------------------------------

TEST_P(JobStoreContract, ALeaseBringsAllThatItsOwnerNeeds) {
  Run(MethodJob("job-1"), Devices(3));
  const LeasedChunk chunk = LeaseOne();
  EXPECT_EQ(chunk.job->spec.id, "job-1");
  EXPECT_EQ(std::get<MethodAction>(chunk.job->spec.action).method, "lockDoor");
  EXPECT_EQ(chunk.device_ids, Devices(3));
  EXPECT_EQ(chunk.pending, PositionSet::FirstN(3));
  EXPECT_TRUE(chunk.in_flight.empty());
  EXPECT_EQ(chunk.last_issue_time, std::nullopt);
}

TEST_P(JobStoreContract, AChunkHasOneOwner) {
  Run(MethodJob("job-1"), Devices(2'500));
  const std::vector<LeasedChunk> one = Lease(2, "one");
  const std::vector<LeasedChunk> two = Lease(2, "two");
  EXPECT_THAT(one, SizeIs(2));
  EXPECT_THAT(two, SizeIs(1));
  EXPECT_THAT(Lease(2, "three"), IsEmpty());
}

TEST_P(JobStoreContract, ASmallJobDoesNotWaitForABigOne) {
  Run(MethodJob("big"), Devices(10'000));
  Run(MethodJob("small"), Devices(10));
  std::set<std::string> jobs;
  for (const LeasedChunk& chunk : Lease(2)) jobs.insert(chunk.job->spec.id);
  EXPECT_THAT(jobs, ElementsAre("big", "small"));
}

TEST_P(JobStoreContract, ALeaseCanBeLimitedPerJobAndLeaveOutJobs) {
  Run(MethodJob("big"), Devices(5'000));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto leased,
                                 store_.LeaseChunks(Soon(), {.owner = "one", .limit = 10, .limit_per_job = 2}));
  EXPECT_THAT(leased, SizeIs(2));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(
      const auto others,
      store_.LeaseChunks(Soon(), {.owner = "one", .limit = 10, .except_jobs = {leased[0].job->seq}}));
  EXPECT_THAT(others, IsEmpty());
}

TEST_P(JobStoreContract, AnExpiredLeaseGoesToTheNextOwnerAndFencesTheOld) {
  Run(MethodJob("job-1"), Devices(4));
  const LeasedChunk old = Lease(1, "one", absl::Milliseconds(1)).at(0);
  ASSERT_TRUE(Mark(old.lease, {0, 1}));
  Record(old.lease, {0});
  std::vector<LeasedChunk> taken;
  ASSERT_TRUE(WaitFor([&] { return !(taken = Lease(1, "two")).empty(); }));
  const LeasedChunk& now = taken[0];
  EXPECT_GT(now.lease.epoch, old.lease.epoch);
  EXPECT_EQ(now.pending, (PositionSet{2, 3}));
  EXPECT_EQ(now.in_flight, (PositionSet{1}));
  EXPECT_TRUE(now.last_issue_time.has_value());

  EXPECT_FALSE(Mark(old.lease, {2}));
  EXPECT_FALSE(Clear(old.lease, {1}));
  EXPECT_THAT(store_.RenewLeases(Soon(), std::vector{old.lease, now.lease}, kTtl),
              IsOkAndHolds(ElementsAre(old.lease.key)));
  FLEETCAST_EXPECT_OK(store_.ReleaseChunks(Soon(), std::vector{old.lease}));
  EXPECT_THAT(Lease(1, "three"), IsEmpty()) << "the old owner could not give it back";
  EXPECT_EQ(Record(old.lease, {3}, ExecutionState::kFailed).refused, 1) << "not issued: only the owner may say";
  EXPECT_EQ(Record(old.lease, {1}).recorded, 1) << "issued: whoever hears the answer may say";
  EXPECT_TRUE(Mark(now.lease, {2}));
}

TEST_P(JobStoreContract, ARenewedLeaseLastsAndAReleasedOneIsFree) {
  Run(MethodJob("job-1"), Devices(1));
  const LeasedChunk chunk = Lease(1, "one", absl::Milliseconds(200)).at(0);
  EXPECT_THAT(store_.RenewLeases(Soon(), std::vector{chunk.lease}, kTtl), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Lease(1, "two"), IsEmpty());
  FLEETCAST_ASSERT_OK(store_.ReleaseChunks(Soon(), std::vector{chunk.lease}));
  EXPECT_THAT(Lease(1, "two"), SizeIs(1));
}

TEST_P(JobStoreContract, IssuedTargetsRunAndCanBeTakenBack) {
  Run(MethodJob("job-1"), Devices(5));
  const LeasedChunk chunk = LeaseOne();
  EXPECT_TRUE(Mark(chunk.lease, {0, 1, 2}));
  EXPECT_FALSE(Mark(chunk.lease, {2, 3})) << "2 is issued already";
  EXPECT_EQ(Get("job-1").counts.running, 3);
  EXPECT_EQ(Get("job-1").counts.pending, 2);
  EXPECT_EQ(GetOn("job-1", "d10000").state, ExecutionState::kRunning);
  EXPECT_EQ(GetOn("job-1", "d10004").state, ExecutionState::kPending);
  EXPECT_TRUE(Clear(chunk.lease, {1, 2}));
  EXPECT_EQ(Get("job-1").counts.running, 1);
  EXPECT_EQ(Get("job-1").counts.pending, 4);
  EXPECT_TRUE(Mark(chunk.lease, {1}));
}

TEST_P(JobStoreContract, OneCallMarksManyChunks) {
  Run(MethodJob("job-1"), Devices(2'000));
  const std::vector<LeasedChunk> chunks = Lease();
  ASSERT_THAT(chunks, SizeIs(2));
  const std::vector<IssueRequest> requests = {{chunks[0].lease, {0}},
                                              {{chunks[1].lease.key, 99}, {0}},
                                              {chunks[1].lease, {1}},
                                              {chunks[1].lease, {2}},
                                              {{{chunks[0].lease.key.job_seq, 77}, 1}, {0}}};
  EXPECT_THAT(store_.MarkIssued(Soon(), requests), IsOkAndHolds(ElementsAre(true, false, true, true, false)));
  EXPECT_EQ(Get("job-1").counts.running, 3);
}

TEST_P(JobStoreContract, TheFirstOutcomeStands) {
  Run(MethodJob("job-1"), Devices(3));
  const LeasedChunk chunk = LeaseOne();
  ASSERT_TRUE(Mark(chunk.lease, {0, 1, 2}));
  EXPECT_EQ(Record(chunk.lease, {0}).recorded, 1);
  const RecordResult again = Record(chunk.lease, {0, 1}, ExecutionState::kFailed);
  EXPECT_EQ(again.recorded, 1);
  EXPECT_EQ(again.repeated, 1);
  const JobCounts counts = Get("job-1").counts;
  EXPECT_EQ(counts.succeeded, 1);
  EXPECT_EQ(counts.failed, 1);
  EXPECT_EQ(counts.running, 1);

  const Execution first = GetOn("job-1", "d10000");
  EXPECT_EQ(first.state, ExecutionState::kSucceeded);
  EXPECT_EQ(first.device_status, 200);
  EXPECT_EQ(first.payload, R"({"locked":true})");
  EXPECT_EQ(first.start_time, absl::FromUnixMicros(1'000'001));
  EXPECT_EQ(first.end_time, absl::FromUnixMicros(2'000'002));
  const Execution second = GetOn("job-1", "d10001");
  EXPECT_EQ(second.state, ExecutionState::kFailed);
  EXPECT_EQ(second.device_status, std::nullopt);
  EXPECT_EQ(second.error_code, 404103);
  EXPECT_EQ(second.error_reason, "DEVICE_NOT_ONLINE");
}

TEST_P(JobStoreContract, ATargetNamedTwiceInABatchCountsOnce) {
  Run(MethodJob("job-1"), Devices(2));
  const LeasedChunk chunk = LeaseOne();
  Outcome outcome;
  outcome.lease = chunk.lease;
  outcome.position = 1;
  outcome.state = ExecutionState::kFailed;
  outcome.end_time = absl::Now();
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const RecordResult result,
                                 store_.RecordOutcomes(Soon(), std::vector<Outcome>{outcome, outcome}));
  EXPECT_EQ(result.recorded, 1);
  EXPECT_EQ(result.repeated, 1);
  EXPECT_EQ(Get("job-1").counts.failed, 1);
}

TEST_P(JobStoreContract, KeepsAnyBytesThatADeviceAnswers) {
  Run(MethodJob("job-1"), Devices(1));
  const LeasedChunk chunk = LeaseOne();
  Outcome outcome;
  outcome.lease = chunk.lease;
  outcome.state = ExecutionState::kSucceeded;
  outcome.device_status = -1;
  outcome.payload = std::string("\xff\0{", 3);
  outcome.end_time = absl::Now();
  FLEETCAST_ASSERT_OK(store_.RecordOutcomes(Soon(), std::vector<Outcome>{outcome}));
  EXPECT_EQ(GetOn("job-1", "d10000").payload, outcome.payload);
}

TEST_P(JobStoreContract, TheLastOutcomeEndsTheJob) {
  Run(MethodJob("job-1"), Devices(1'003));
  const std::vector<LeasedChunk> chunks = Lease();
  ASSERT_THAT(chunks, SizeIs(2));
  const LeasedChunk& small = chunks[0].device_ids.size() == 3 ? chunks[0] : chunks[1];
  const LeasedChunk& full = chunks[0].device_ids.size() == 3 ? chunks[1] : chunks[0];
  RecordResult result = Record(full.lease, PositionSet::FirstN(1'000));
  EXPECT_THAT(result.closed_chunks, ElementsAre(full.lease.key));
  EXPECT_THAT(result.ended_jobs, IsEmpty());
  EXPECT_EQ(Get("job-1").state, JobState::kRunning);
  result = Record(small.lease, PositionSet::FirstN(3), ExecutionState::kTimedOut);
  EXPECT_THAT(result.ended_jobs, ElementsAre("job-1"));
  const Job job = Get("job-1");
  EXPECT_EQ(job.state, JobState::kCompleted);
  EXPECT_EQ(job.counts.succeeded, 1'000);
  EXPECT_EQ(job.counts.timed_out, 3);
  EXPECT_TRUE(job.end_time.has_value());
  EXPECT_THAT(Lease(), IsEmpty());
}

TEST_P(JobStoreContract, EndsTheJobWhenItsLastChunksCloseAtOnce) {
  constexpr int kChunks = 8;
  Run(MethodJob("job-1"), Devices(kChunks * 1'000));
  const std::vector<LeasedChunk> chunks = Lease();
  ASSERT_THAT(chunks, SizeIs(kChunks));
  {
    std::vector<std::jthread> recorders;
    for (const LeasedChunk& chunk : chunks) {
      recorders.emplace_back([&] { Record(chunk.lease, PositionSet::FirstN(1'000)); });
    }
  }
  EXPECT_EQ(Get("job-1").state, JobState::kCompleted);
  EXPECT_EQ(Get("job-1").counts.succeeded, kChunks * 1'000);
}

// --- Cancel and expiry ----------------------------------------------------------------------------------------------

TEST_P(JobStoreContract, AJobThatDoesNotRunIsCancelledAtOnce) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("queued")));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const StopResult result,
                                 store_.CancelJob(Soon(), {.job_id = "queued", .drain = kDrain}));
  EXPECT_FALSE(result.was_issuing);
  EXPECT_EQ(result.job.state, JobState::kCancelled);
  EXPECT_TRUE(result.job.end_time.has_value());
  EXPECT_THAT(store_.CancelJob(Soon(), {.job_id = "queued", .drain = kDrain}),
              StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
  EXPECT_EQ(store_.PromoteDue(Soon(), 10)->started, 0);
}

TEST_P(JobStoreContract, CancelWhileResolvingStopsTheResolver) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 10));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(auto lease, store_.AcquireResolve(Soon(), "one", kTtl));
  FLEETCAST_ASSERT_OK(store_.AppendTargets(Soon(), *lease, Devices(10), kTtl));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const StopResult result,
                                 store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
  EXPECT_EQ(result.job.state, JobState::kCancelled);
  EXPECT_EQ(result.job.counts, JobCounts());
  EXPECT_THAT(store_.AppendTargets(Soon(), *lease, Devices(10, "e"), kTtl), StatusIs(Code::kAborted, "LEASE_LOST"));
  EXPECT_THAT(store_.FinishResolve(Soon(), *lease), StatusIs(Code::kAborted, "LEASE_LOST"));
  EXPECT_THAT(store_.GetExecution(Soon(), "job-1", "d10000"), StatusIs(Code::kNotFound, "EXECUTION_NOT_FOUND"));
}

TEST_P(JobStoreContract, CancelFencesOwnersAndKeepsTrueOutcomes) {
  Run(MethodJob("job-1"), Devices(1'010));
  const std::vector<LeasedChunk> chunks = Lease();
  ASSERT_THAT(chunks, SizeIs(2));
  const LeasedChunk& chunk = chunks[0].device_ids.size() == 10 ? chunks[0] : chunks[1];
  ASSERT_TRUE(Mark(chunk.lease, {0, 1, 2}));
  ASSERT_EQ(Record(chunk.lease, {0}).recorded, 1);

  FLEETCAST_ASSERT_OK_AND_ASSIGN(const StopResult result,
                                 store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
  EXPECT_TRUE(result.was_issuing);
  EXPECT_EQ(result.job.state, JobState::kCancelling);
  EXPECT_EQ(result.job.counts.canceled, 1'007);
  EXPECT_EQ(result.job.counts.running, 2);
  EXPECT_EQ(result.job.counts.pending, 0);
  EXPECT_FALSE(Mark(chunk.lease, {5}));
  EXPECT_THAT(Lease(), IsEmpty());
  const Execution canceled = GetOn("job-1", "d10007");
  EXPECT_EQ(canceled.state, ExecutionState::kCanceled);
  EXPECT_TRUE(canceled.end_time.has_value());
  EXPECT_EQ(Record(chunk.lease, {7}).refused, 1);

  EXPECT_EQ(Record(chunk.lease, {1}, ExecutionState::kFailed).recorded, 1);
  EXPECT_TRUE(Clear(chunk.lease, {2})) << "proof that it was not sent: canceled as well";
  const Job job = Get("job-1");
  EXPECT_EQ(job.state, JobState::kCancelled);
  EXPECT_EQ(job.counts.succeeded, 1);
  EXPECT_EQ(job.counts.failed, 1);
  EXPECT_EQ(job.counts.canceled, 1'008);
  EXPECT_EQ(GetOn("job-1", "d10007").end_time, canceled.end_time);
}

TEST_P(JobStoreContract, CancelOfAJobWithNothingUnderWayEndsIt) {
  Run(MethodJob("job-1"), Devices(10));
  const LeasedChunk chunk = LeaseOne();
  ASSERT_TRUE(Mark(chunk.lease, {0}));
  ASSERT_EQ(Record(chunk.lease, {0}).recorded, 1);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const StopResult result,
                                 store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
  EXPECT_FALSE(result.was_issuing);
  EXPECT_EQ(result.job.state, JobState::kCancelled);
  EXPECT_EQ(result.job.counts.canceled, 9);
}

TEST_P(JobStoreContract, WhatNeverAnswersAfterACancelIsTimedOut) {
  Run(MethodJob("job-1"), Devices(3));
  ASSERT_TRUE(Mark(LeaseOne().lease, {0}));
  FLEETCAST_ASSERT_OK(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = absl::ZeroDuration()}));
  FLEETCAST_ASSERT_OK(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = absl::ZeroDuration()}))
      << "still cancelling";
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const ExpireResult result, store_.ExpireJobs(Soon(), absl::ZeroDuration(), 10));
  EXPECT_EQ(result.settled, 1);
  EXPECT_THAT(result.ended_jobs, ElementsAre("job-1"));
  EXPECT_EQ(Get("job-1").state, JobState::kCancelled);
  EXPECT_EQ(Get("job-1").counts.timed_out, 1);
  const Execution execution = GetOn("job-1", "d10000");
  EXPECT_EQ(execution.state, ExecutionState::kTimedOut);
  EXPECT_EQ(execution.error_code, 504101);
  EXPECT_EQ(execution.error_reason, "OUTCOME_UNKNOWN");
  EXPECT_EQ(Get("job-1").counts.canceled, 2);
}

TEST_P(JobStoreContract, CancelAndOutcomesAtOnceLoseNothing) {
  Run(MethodJob("job-1"), Devices(4'000));
  const std::vector<LeasedChunk> chunks = Lease();
  ASSERT_THAT(chunks, SizeIs(4));
  {
    std::vector<std::jthread> workers;
    for (const LeasedChunk& chunk : chunks) {
      workers.emplace_back([&] {
        for (int from = 0; from < kChunkTargets; from += 100) {
          const PositionSet batch = PositionSet::FirstN(from + 100) - PositionSet::FirstN(from);
          if (!Mark(chunk.lease, batch)) return;
          EXPECT_EQ(Record(chunk.lease, batch).recorded, 100) << "issued before the cancel: the true outcome counts";
        }
      });
    }
    FLEETCAST_EXPECT_OK(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
  }
  const Job job = Get("job-1");
  EXPECT_EQ(job.state, JobState::kCancelled);
  EXPECT_EQ(job.counts.succeeded + job.counts.canceled, 4'000);
}

TEST_P(JobStoreContract, AnExpiredJobFailsWhenTargetsWereNeverReached) {
  CreateRequest request = MethodJob("job-1");
  request.spec.execution_timeout = absl::Milliseconds(100);
  Run(request, Devices(5));
  const LeasedChunk chunk = LeaseOne();
  ASSERT_TRUE(Mark(chunk.lease, {0, 1}));
  ExpireResult result;
  ASSERT_TRUE(WaitFor([&] {
    result = store_.ExpireJobs(Soon(), absl::Milliseconds(100), 10).value();
    return result.expired == 1;
  }));
  EXPECT_EQ(Get("job-1").state, JobState::kRunning);
  EXPECT_EQ(Get("job-1").counts.timed_out, 3);
  EXPECT_EQ(Get("job-1").counts.running, 2);
  EXPECT_FALSE(Mark(chunk.lease, {2}));
  EXPECT_THAT(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}),
              StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
  EXPECT_EQ(Record(chunk.lease, {0}).recorded, 1) << "in time to spare";
  const Execution untouched = GetOn("job-1", "d10004");
  EXPECT_EQ(untouched.state, ExecutionState::kTimedOut);
  EXPECT_EQ(untouched.error_code, 400024);
  EXPECT_EQ(untouched.error_reason, "EXECUTION_EXPIRED");

  ASSERT_TRUE(WaitFor([&] {
    result = store_.ExpireJobs(Soon(), absl::Milliseconds(100), 10).value();
    return result.settled == 1;
  }));
  const Job job = Get("job-1");
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_FALSE(job.failure_reason.empty());
  EXPECT_EQ(job.counts.succeeded, 1);
  EXPECT_EQ(job.counts.timed_out, 4);
  EXPECT_EQ(GetOn("job-1", "d10001").error_code, 504101);
}

TEST_P(JobStoreContract, AnExpiredJobWhoseTargetsWereAllReachedIsComplete) {
  CreateRequest request = MethodJob("job-1");
  request.spec.execution_timeout = absl::Milliseconds(50);
  Run(request, Devices(2));
  ASSERT_TRUE(Mark(LeaseOne().lease, {0, 1}));
  EXPECT_TRUE(WaitFor([&] {
    FLEETCAST_EXPECT_OK(store_.ExpireJobs(Soon(), absl::ZeroDuration(), 10));
    return Get("job-1").state == JobState::kCompleted;
  }));
  EXPECT_EQ(Get("job-1").counts.timed_out, 2);
}

TEST_P(JobStoreContract, AJobThatNeverKnewItsTargetsFailsWhenItsTimeIsOver) {
  CreateRequest request = MethodJob("job-1");
  request.spec.execution_timeout = absl::Milliseconds(1);
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), request));
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 10));
  EXPECT_TRUE(WaitFor([&] {
    FLEETCAST_EXPECT_OK(store_.ExpireJobs(Soon(), absl::ZeroDuration(), 10));
    return Get("job-1").state == JobState::kFailed;
  }));
}

// --- Executions -----------------------------------------------------------------------------------------------------

TEST_P(JobStoreContract, ListsExecutionsByDeviceInPages) {
  Run(MethodJob("job-1"), Devices(1'500));
  ListExecutionsRequest request{.job_id = "job-1", .page_size = 700};
  std::vector<std::string> devices;
  int pages = 0;
  do {
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto page, store_.ListExecutions(Soon(), request));
    for (const Execution& execution : page.entries) devices.push_back(execution.device_id);
    request.after_n = page.next;
    ++pages;
  } while (request.after_n.has_value());
  EXPECT_EQ(devices, Devices(1'500));
  EXPECT_EQ(pages, 3);
}

TEST_P(JobStoreContract, ListsExecutionsByState) {
  Run(MethodJob("job-1"), Devices(3'000));
  for (const LeasedChunk& chunk : Lease()) {
    ASSERT_TRUE(Mark(chunk.lease, {0, 1, 2}));
    Record(chunk.lease, {0});
    if (chunk.lease.key.chunk_no == 1) Record(chunk.lease, {1}, ExecutionState::kFailed);
  }
  const auto devices_in = [&](ExecutionState state) {
    std::vector<std::string> devices;
    ListExecutionsRequest request{
        .job_id = "job-1", .states = {state}, .page_size = state == ExecutionState::kPending ? 700 : 2};
    do {
      const auto page = store_.ListExecutions(Soon(), request);
      FLEETCAST_EXPECT_OK(page);
      if (!page.ok()) break;
      for (const Execution& execution : page->entries) {
        EXPECT_EQ(execution.state, state);
        devices.push_back(execution.device_id);
      }
      request.after_n = page->next;
    } while (request.after_n.has_value());
    return devices;
  };
  EXPECT_THAT(devices_in(ExecutionState::kSucceeded), ElementsAre("d10000", "d11000", "d12000"));
  EXPECT_THAT(devices_in(ExecutionState::kFailed), ElementsAre("d11001"));
  EXPECT_THAT(devices_in(ExecutionState::kRunning), ElementsAre("d10001", "d10002", "d11002", "d12001", "d12002"));
  EXPECT_THAT(devices_in(ExecutionState::kPending), SizeIs(2'991));
  EXPECT_THAT(devices_in(ExecutionState::kTimedOut), IsEmpty());
}

TEST_P(JobStoreContract, ListsTheJobsOfADevice) {
  Run(MethodJob("first"), Devices(2'000));
  Run(TwinJob("second"), {"d10500"});
  Run(MethodJob("third"), {"d10499", "d10501"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto all,
                                 store_.ListExecutionsOfDevice(Soon(), {.device_id = "d10500", .page_size = 10}));
  ASSERT_THAT(all.entries, SizeIs(2));
  EXPECT_EQ(all.entries[0].job_id, "second");
  EXPECT_EQ(all.entries[1].job_id, "first");
  EXPECT_EQ(all.entries[0].kind, ActionKind::kUpdateTwin);
  EXPECT_EQ(all.next, std::nullopt);

  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto newest,
                                 store_.ListExecutionsOfDevice(Soon(), {.device_id = "d10500", .page_size = 1}));
  ASSERT_TRUE(newest.next.has_value());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(
      const auto older,
      store_.ListExecutionsOfDevice(Soon(), {.device_id = "d10500", .before_seq = newest.next, .page_size = 10}));
  ASSERT_THAT(older.entries, SizeIs(1));
  EXPECT_EQ(older.entries[0].job_id, "first");

  FLEETCAST_ASSERT_OK_AND_ASSIGN(
      const auto methods,
      store_.ListExecutionsOfDevice(Soon(), {.device_id = "d10500", .kind = ActionKind::kInvokeMethod}));
  EXPECT_THAT(methods.entries, SizeIs(1));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto none, store_.ListExecutionsOfDevice(Soon(), {.device_id = "x"}));
  EXPECT_THAT(none.entries, IsEmpty());
}

TEST_P(JobStoreContract, ADeviceThatIsNoTargetHasNoExecution) {
  Run(MethodJob("job-1"), {"b", "d"});
  for (const char* device : {"a", "c", "e"}) {
    EXPECT_THAT(store_.GetExecution(Soon(), "job-1", device), StatusIs(Code::kNotFound, "EXECUTION_NOT_FOUND"));
  }
}

}  // namespace fleetcast::job_store
