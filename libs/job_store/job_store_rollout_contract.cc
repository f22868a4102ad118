// The contract of rollouts, retries, pause, change and repeat.
#include <algorithm>
#include <thread>

#include "libs/job_store/job_store_contract.h"

namespace fleetcast::job_store {

using fleetcast::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using Code = absl::StatusCode;

namespace {

RolloutPolicy SlowRamp() {
  RolloutPolicy policy;
  policy.maximum_per_minute = 600;
  policy.exponential_rate = ExponentialRate{60, 1.5, 0, 100};
  policy.in_flight_max = 50;
  policy.abort_criteria = {{FailureType::kFailed, 12.5, 20}, {FailureType::kDeviceError, 3, 1}};
  return policy;
}

RetryPolicy TwoRetries() {
  RetryPolicy policy;
  policy.idempotent = true;
  policy.criteria = {{FailureType::kTimedOut, 2}, {FailureType::kAll, 1}};
  policy.backoff_min = absl::Milliseconds(250);
  policy.backoff_max = absl::Minutes(2);
  return policy;
}

CreateRequest Limited(CreateRequest request) {
  request.spec.rollout = SlowRamp();
  return request;
}

}  // namespace

// --- What a job keeps -----------------------------------------------------------------------------------------------

TEST_P(JobStoreContract, KeepsRolloutRetryPriorityAndWaiting) {
  CreateRequest request = MethodJob("job-1");
  request.spec.rollout = SlowRamp();
  request.spec.retry = TwoRetries();
  request.spec.priority = 9;
  std::get<MethodAction>(request.spec.action).wait_for_connection = true;
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), request));
  const Job job = Get("job-1");
  EXPECT_EQ(job.spec.rollout, SlowRamp());
  EXPECT_EQ(job.spec.retry, TwoRetries());
  EXPECT_EQ(job.spec.priority, 9);
  EXPECT_TRUE(std::get<MethodAction>(job.spec.action).wait_for_connection);
  EXPECT_EQ(job.pause_time, std::nullopt);
}

TEST_P(JobStoreContract, AJobThatAsksForNothingHasTheDefaults) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  const Job job = Get("job-1");
  EXPECT_EQ(job.spec.rollout, RolloutPolicy());
  EXPECT_EQ(job.spec.retry, RetryPolicy());
  EXPECT_EQ(job.spec.priority, kPriorityDefault);
  EXPECT_EQ(job.spec.retried, std::nullopt);
  EXPECT_FALSE(std::get<MethodAction>(job.spec.action).wait_for_connection);
}

TEST_P(JobStoreContract, KeepsWhoseTargetsItRepeats) {
  CreateRequest request = MethodJob("again");
  request.spec.retried = RetriedTargets{"job-1", {ExecutionState::kFailed, ExecutionState::kTimedOut}, true};
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), request));
  EXPECT_EQ(Get("again").spec.retried, request.spec.retried);
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 10));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::optional<ResolveLease> lease, store_.AcquireResolve(Soon(), "one", kTtl));
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->retried, request.spec.retried);
}

TEST_P(JobStoreContract, ErrorStatusesOfDevicesAreCountedAmongTheSucceeded) {
  Run(MethodJob("job-1"), Devices(3));
  const LeasedChunk chunk = LeaseOne();
  ASSERT_TRUE(Mark(chunk.lease, {0, 1, 2}));
  std::vector<Outcome> outcomes;
  for (const int status : {200, 399, 400}) {
    outcomes.push_back({.lease = chunk.lease,
                        .position = static_cast<int>(outcomes.size()),
                        .state = ExecutionState::kSucceeded,
                        .device_status = status,
                        .payload = "null",
                        .error_reason = "",
                        .start_time = absl::UnixEpoch(),
                        .end_time = absl::UnixEpoch()});
  }
  FLEETCAST_ASSERT_OK(store_.RecordOutcomes(Soon(), std::span(outcomes).first(2)));
  EXPECT_EQ(Get("job-1").counts.device_errors, 0);
  FLEETCAST_ASSERT_OK(store_.RecordOutcomes(Soon(), outcomes));
  const Job job = Get("job-1");
  EXPECT_EQ(job.state, JobState::kCompleted);
  EXPECT_EQ(job.counts.succeeded, 3);
  EXPECT_EQ(job.counts.device_errors, 1);
}

// --- Limited rollouts -----------------------------------------------------------------------------------------------

TEST_P(JobStoreContract, ALimitedJobHasOneOwnerAtATime) {
  Run(Limited(MethodJob("job-1")), Devices(3000));
  EXPECT_THAT(Lease(1, "one"), SizeIs(1));
  EXPECT_THAT(Lease(10, "two"), IsEmpty());
  EXPECT_THAT(Lease(1, "one"), SizeIs(1));
}

TEST_P(JobStoreContract, LimitedJobsMayBeLeftOut) {
  Run(Limited(MethodJob("job-1")), Devices(2000));
  Run(MethodJob("job-2"), Devices(1000));
  LeaseRequest request = {.owner = "one", .limit = 10, .limited_jobs = false, .ttl = absl::Seconds(10)};
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<LeasedChunk> others, store_.LeaseChunks(Soon(), request));
  ASSERT_THAT(others, SizeIs(1));
  EXPECT_EQ(others.front().job->spec.id, "job-2");
  request.limited_jobs = true;
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<LeasedChunk> limited, store_.LeaseChunks(Soon(), request));
  EXPECT_THAT(limited, SizeIs(2));
}

TEST_P(JobStoreContract, ALimitedJobGoesToTheNextOwnerWhenTheOldOneHoldsNothing) {
  Run(Limited(MethodJob("job-1")), Devices(3000));
  const LeasedChunk kept = Lease(1, "one").front();
  const LeasedChunk short_one = Lease(1, "one", absl::ZeroDuration()).front();
  FLEETCAST_ASSERT_OK(store_.ReleaseChunks(Soon(), std::vector<ChunkLease>{kept.lease}));
  EXPECT_THAT(Lease(10, "two"), SizeIs(3));
  EXPECT_FALSE(Mark(short_one.lease, {0}));
}

TEST_P(JobStoreContract, ALimitedJobHasOneOwnerWhenManyLeaseAtOnce) {
  Run(Limited(MethodJob("job-1")), Devices(8000));
  std::vector<std::vector<LeasedChunk>> leased(6);
  {
    std::vector<std::jthread> owners;
    for (size_t i = 0; i < leased.size(); ++i) {
      owners.emplace_back([&, i] {
        for (int turn = 0; turn < 5; ++turn) {
          for (LeasedChunk& chunk : Lease(1, "owner " + std::to_string(i))) leased[i].push_back(std::move(chunk));
        }
      });
    }
  }
  EXPECT_EQ(std::count_if(leased.begin(), leased.end(), [](const auto& of_owner) { return !of_owner.empty(); }), 1);
}

TEST_P(JobStoreContract, WhoeverLeasesWhileAJobIsPausedCannotIssueAfterwards) {
  for (int round = 0; round < 5; ++round) {
    const std::string id = "job-" + std::to_string(round);
    Run(MethodJob(id), Devices(2000));
    std::vector<LeasedChunk> leased;
    {
      const std::jthread owner([&] { leased = Lease(); });
      FLEETCAST_EXPECT_OK(store_.PauseJob(Soon(), id));
    }
    for (const LeasedChunk& chunk : leased) EXPECT_FALSE(Mark(chunk.lease, {0}));
    EXPECT_EQ(Get(id).counts.running, 0);
  }
}

TEST_P(JobStoreContract, OwnersOfALimitedJobBringItsCounts) {
  Run(Limited(MethodJob("job-1")), Devices(2500));
  const LeasedChunk first = Lease(1, "one").front();
  EXPECT_EQ(first.job->counts.total, 2500);
  EXPECT_EQ(first.job->counts.pending, 2500);
  EXPECT_EQ(first.job->spec.rollout, SlowRamp());
  ASSERT_TRUE(Mark(first.lease, {0, 1, 2}));
  Record(first.lease, {0}, ExecutionState::kFailed);
  const JobCounts counts = Lease(1, "one").front().job->counts;
  EXPECT_EQ(counts.pending, 2497);
  EXPECT_EQ(counts.running, 2);
  EXPECT_EQ(counts.failed, 1);
}

TEST_P(JobStoreContract, ChunksOfALimitedJobThatHoldIssuedTargetsComeFirst) {
  Run(Limited(MethodJob("job-1")), Devices(3000));
  std::vector<LeasedChunk> leased = Lease(3, "one");
  ASSERT_THAT(leased, SizeIs(3));
  const auto last = std::find_if(leased.begin(), leased.end(), [](const auto& c) { return c.lease.key.chunk_no == 2; });
  ASSERT_NE(last, leased.end());
  ASSERT_TRUE(Mark(last->lease, {5}));
  std::vector<ChunkLease> leases;
  for (const LeasedChunk& chunk : leased) leases.push_back(chunk.lease);
  FLEETCAST_ASSERT_OK(store_.ReleaseChunks(Soon(), leases));
  EXPECT_EQ(Lease(1, "two").front().lease.key.chunk_no, 2);
}

TEST_P(JobStoreContract, AnUnlimitedJobMayHaveManyOwners) {
  Run(MethodJob("job-1"), Devices(2000));
  EXPECT_THAT(Lease(1, "one"), SizeIs(1));
  EXPECT_THAT(Lease(1, "two"), SizeIs(1));
}

// --- Retries --------------------------------------------------------------------------------------------------------

TEST_P(JobStoreContract, ARetryIsNotBegunAfterALaterOne) {
  Run(MethodJob("job-1"), Devices(2));
  const LeasedChunk chunk = LeaseOne();
  ASSERT_TRUE(Mark(chunk.lease, {0}));
  const auto retry = [&](int position, int number) {
    const auto marked = store_.MarkIssued(Soon(), std::vector<IssueRequest>{{chunk.lease, {}, {{position, number}}}});
    FLEETCAST_EXPECT_OK(marked);
    return marked.ok() && marked->front();
  };
  EXPECT_FALSE(retry(1, 1)) << "it was never issued";
  EXPECT_TRUE(retry(0, 1));
  EXPECT_TRUE(retry(0, 1)) << "its owner has proof that it was not sent";
  EXPECT_TRUE(retry(0, 2));
  EXPECT_FALSE(retry(0, 1)) << "a later one was begun";
  Record(chunk.lease, {0});
  EXPECT_FALSE(retry(0, 3)) << "it has an outcome";
}

TEST_P(JobStoreContract, TheNextOwnerKnowsTheRetriesThatWereBegun) {
  Run(MethodJob("job-1"), Devices(3));
  const LeasedChunk chunk = Lease(1, "one", absl::ZeroDuration()).front();
  EXPECT_THAT(chunk.retries, IsEmpty());
  ASSERT_TRUE(Mark(chunk.lease, {0, 1, 2}));
  const auto marked = store_.MarkIssued(
      Soon(), std::vector<IssueRequest>{{chunk.lease, {}, {{0, 1}, {1, 1}}}, {chunk.lease, {}, {{1, 2}}}});
  FLEETCAST_ASSERT_OK(marked);
  EXPECT_THAT(*marked, ElementsAre(true, true));
  Record(chunk.lease, {0});
  const LeasedChunk next = Lease(1, "two").front();
  EXPECT_EQ(next.in_flight, PositionSet({1, 2}));
  EXPECT_THAT(next.retries, ElementsAre(Pair(1, 2)));
}

TEST_P(JobStoreContract, AStaleOwnerBeginsNoRetry) {
  Run(MethodJob("job-1"), Devices(1));
  const LeasedChunk stale = Lease(1, "one", absl::ZeroDuration()).front();
  ASSERT_TRUE(Mark(stale.lease, {0}));
  const LeasedChunk chunk = Lease(1, "two").front();
  const auto begin = [&](const ChunkLease& lease) {
    return store_.MarkIssued(Soon(), std::vector<IssueRequest>{{lease, {}, {{0, 1}}}});
  };
  EXPECT_THAT(*begin(stale.lease), ElementsAre(false));
  EXPECT_THAT(*begin(chunk.lease), ElementsAre(true));
}

// --- Pause and change -----------------------------------------------------------------------------------------------

TEST_P(JobStoreContract, APausedJobIsNeitherLeasedNorIssued) {
  Run(MethodJob("job-1"), Devices(2));
  const LeasedChunk chunk = LeaseOne();
  ASSERT_TRUE(Mark(chunk.lease, {0}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const StopResult paused, store_.PauseJob(Soon(), "job-1"));
  EXPECT_TRUE(paused.was_issuing);
  EXPECT_TRUE(paused.job.pause_time.has_value());
  EXPECT_EQ(paused.job.state, JobState::kRunning);
  EXPECT_FALSE(Mark(chunk.lease, {1}));
  EXPECT_THAT(Lease(), IsEmpty());
  EXPECT_EQ(Record(chunk.lease, {0}).recorded, 1) << "what was issued keeps its outcome";

  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Job resumed, store_.ResumeJob(Soon(), "job-1"));
  EXPECT_EQ(resumed.pause_time, std::nullopt);
  EXPECT_GT(resumed.version, paused.job.version);
  EXPECT_EQ(LeaseOne().pending, PositionSet({1}));
}

TEST_P(JobStoreContract, PauseAndResumeCanBeRepeated) {
  Run(MethodJob("job-1"), Devices(1));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const StopResult first, store_.PauseJob(Soon(), "job-1"));
  EXPECT_FALSE(first.was_issuing);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const StopResult second, store_.PauseJob(Soon(), "job-1"));
  EXPECT_EQ(second.job.version, first.job.version);
  EXPECT_EQ(second.job.pause_time, first.job.pause_time);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Job resumed, store_.ResumeJob(Soon(), "job-1"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Job again, store_.ResumeJob(Soon(), "job-1"));
  EXPECT_EQ(again.version, resumed.version);
}

TEST_P(JobStoreContract, AJobPausedBeforeItsStartStartsWhenItIsResumed) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  FLEETCAST_ASSERT_OK(store_.PauseJob(Soon(), "job-1"));
  EXPECT_EQ(store_.PromoteDue(Soon(), 10)->started, 0);
  FLEETCAST_ASSERT_OK(store_.ResumeJob(Soon(), "job-1"));
  EXPECT_EQ(store_.PromoteDue(Soon(), 10)->started, 1);
}

TEST_P(JobStoreContract, PauseWhileResolvingHoldsTheResolver) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 10));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(std::optional<ResolveLease> lease, store_.AcquireResolve(Soon(), "one", kTtl));
  FLEETCAST_ASSERT_OK(store_.AppendTargets(Soon(), *lease, Devices(1000), kTtl));
  FLEETCAST_ASSERT_OK(store_.PauseJob(Soon(), "job-1"));
  EXPECT_THAT(store_.FinishResolve(Soon(), *lease), StatusIs(Code::kAborted, "LEASE_LOST"));
  EXPECT_EQ(*store_.AcquireResolve(Soon(), "two", kTtl), std::nullopt);
  FLEETCAST_ASSERT_OK(store_.ResumeJob(Soon(), "job-1"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(lease, store_.AcquireResolve(Soon(), "two", kTtl));
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->target_count, 1000);
}

TEST_P(JobStoreContract, WhatHasEndedCannotBePausedResumedOrChanged) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  FLEETCAST_ASSERT_OK(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
  EXPECT_THAT(store_.PauseJob(Soon(), "job-1"), StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
  EXPECT_THAT(store_.ResumeJob(Soon(), "job-1"), StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
  EXPECT_THAT(store_.UpdateJob(Soon(), "job-1", {.priority = 1}), StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
  EXPECT_THAT(store_.PauseJob(Soon(), "nope"), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
  EXPECT_THAT(store_.ResumeJob(Soon(), "nope"), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
  EXPECT_THAT(store_.UpdateJob(Soon(), "nope", {}), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
}

TEST_P(JobStoreContract, AJobThatIsCancellingCannotBePaused) {
  Run(MethodJob("job-1"), Devices(2));
  ASSERT_TRUE(Mark(LeaseOne().lease, {0}));
  FLEETCAST_ASSERT_OK(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
  EXPECT_THAT(store_.PauseJob(Soon(), "job-1"), StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
}

TEST_P(JobStoreContract, APausedJobCanBeCancelled) {
  Run(MethodJob("job-1"), Devices(2));
  FLEETCAST_ASSERT_OK(store_.PauseJob(Soon(), "job-1"));
  FLEETCAST_ASSERT_OK(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
  const Job job = Get("job-1");
  EXPECT_EQ(job.state, JobState::kCancelled);
  EXPECT_EQ(job.counts.canceled, 2);
  EXPECT_EQ(job.pause_time, std::nullopt);
}

TEST_P(JobStoreContract, APausedJobRunsOutOfTimeAsAnyOther) {
  CreateRequest request = MethodJob("job-1");
  request.spec.execution_timeout = absl::ZeroDuration();
  Run(request, Devices(2));
  FLEETCAST_ASSERT_OK(store_.PauseJob(Soon(), "job-1"));
  FLEETCAST_ASSERT_OK(store_.ExpireJobs(Soon(), absl::ZeroDuration(), 10));
  EXPECT_EQ(Get("job-1").state, JobState::kFailed);
  EXPECT_EQ(Get("job-1").pause_time, std::nullopt);
}

TEST_P(JobStoreContract, AChangeTakesTheJobFromItsOwners) {
  Run(MethodJob("job-1"), Devices(2000));
  const std::vector<LeasedChunk> leased = Lease(2, "one");
  ASSERT_THAT(leased, SizeIs(2));
  ASSERT_TRUE(Mark(leased[0].lease, {0}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const StopResult changed,
                                 store_.UpdateJob(Soon(), "job-1", {.rollout = SlowRamp(), .priority = 7}));
  EXPECT_TRUE(changed.was_issuing);
  EXPECT_EQ(changed.job.spec.rollout, SlowRamp());
  EXPECT_EQ(changed.job.spec.priority, 7);
  EXPECT_FALSE(Mark(leased[0].lease, {1}));
  EXPECT_FALSE(Mark(leased[1].lease, {1}));
  const std::vector<LeasedChunk> anew = Lease(10, "two");
  ASSERT_THAT(anew, SizeIs(2));
  EXPECT_EQ(anew[0].job->spec.rollout, SlowRamp());
}

TEST_P(JobStoreContract, AChangeThatChangesNothingDisturbsNobody) {
  Run(Limited(MethodJob("job-1")), Devices(10));
  const LeasedChunk chunk = LeaseOne();
  const int64_t version = Get("job-1").version;
  FLEETCAST_ASSERT_OK(store_.UpdateJob(Soon(), "job-1", {.rollout = SlowRamp(), .priority = kPriorityDefault}));
  EXPECT_EQ(Get("job-1").version, version);
  EXPECT_TRUE(Mark(chunk.lease, {0}));
}

TEST_P(JobStoreContract, AChangeMayAskForTheVersionItSaw) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  const int64_t version = Get("job-1").version;
  EXPECT_THAT(store_.UpdateJob(Soon(), "job-1", {.priority = 2, .if_version = version + 1}),
              StatusIs(Code::kAborted, "ETAG_MISMATCH"));
  EXPECT_EQ(Get("job-1").spec.priority, kPriorityDefault);
  FLEETCAST_ASSERT_OK(store_.UpdateJob(Soon(), "job-1", {.priority = 2, .if_version = version}));
  EXPECT_EQ(Get("job-1").version, version + 1);
}

// --- Cancel with conditions -----------------------------------------------------------------------------------------

TEST_P(JobStoreContract, CancelCanRefuseWhatHasStarted) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("waiting")));
  FLEETCAST_EXPECT_OK(store_.CancelJob(Soon(), {.job_id = "waiting", .drain = kDrain, .reject_running = true}));
  Run(MethodJob("job-1"), Devices(1));
  const CancelRequest strict = {.job_id = "job-1", .drain = kDrain, .reject_running = true};
  EXPECT_THAT(store_.CancelJob(Soon(), strict), StatusIs(Code::kFailedPrecondition, "JOB_RUNNING"));
  EXPECT_EQ(Get("job-1").state, JobState::kRunning);
}

TEST_P(JobStoreContract, AnAbortedJobSaysWhy) {
  Run(Limited(MethodJob("job-1")), Devices(2));
  const LeasedChunk chunk = LeaseOne();
  ASSERT_TRUE(Mark(chunk.lease, {0}));
  FLEETCAST_ASSERT_OK(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain, .reason = "too many failed"}));
  EXPECT_EQ(Get("job-1").failure_reason, "too many failed");
  Record(chunk.lease, {0});
  EXPECT_EQ(Get("job-1").state, JobState::kCancelled);
  EXPECT_EQ(Get("job-1").failure_reason, "too many failed");
}

// --- Repeating a job ------------------------------------------------------------------------------------------------

TEST_P(JobStoreContract, ListsTheTargetsToRepeatInPages) {
  Run(MethodJob("job-1"), Devices(6));
  const LeasedChunk chunk = LeaseOne();
  ASSERT_TRUE(Mark(chunk.lease, {0, 1, 2, 3, 4}));
  Record(chunk.lease, {0, 2, 4}, ExecutionState::kFailed);
  Record(chunk.lease, {1}, ExecutionState::kTimedOut);
  Record(chunk.lease, {3});
  FLEETCAST_ASSERT_OK(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
  const std::vector<std::string> ids = Devices(6);
  ListRetriedTargetsRequest request = {.retried = {"job-1", {ExecutionState::kFailed}}, .limit = 2};
  EXPECT_THAT(*store_.ListRetriedTargets(Soon(), request), ElementsAre(ids[0], ids[2]));
  request.after_device_id = ids[2];
  EXPECT_THAT(*store_.ListRetriedTargets(Soon(), request), ElementsAre(ids[4]));
  request = {.retried = {"job-1", {ExecutionState::kTimedOut, ExecutionState::kCanceled}}};
  EXPECT_THAT(*store_.ListRetriedTargets(Soon(), request), ElementsAre(ids[1], ids[5]));
  request.retried.job_id = "nope";
  EXPECT_THAT(store_.ListRetriedTargets(Soon(), request), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
}

TEST_P(JobStoreContract, DevicesThatAnsweredWithAnErrorCanBeRepeated) {
  Run(MethodJob("job-1"), Devices(2));
  const LeasedChunk chunk = LeaseOne();
  ASSERT_TRUE(Mark(chunk.lease, {0, 1}));
  Record(chunk.lease, {0});
  const std::vector<Outcome> refused = {{.lease = chunk.lease,
                                         .position = 1,
                                         .state = ExecutionState::kSucceeded,
                                         .device_status = 500,
                                         .payload = "null",
                                         .error_reason = "",
                                         .start_time = absl::UnixEpoch(),
                                         .end_time = absl::UnixEpoch()}};
  FLEETCAST_ASSERT_OK(store_.RecordOutcomes(Soon(), refused));
  ListRetriedTargetsRequest request = {.retried = {"job-1", {ExecutionState::kFailed}}};
  EXPECT_THAT(*store_.ListRetriedTargets(Soon(), request), IsEmpty());
  request.retried.device_errors = true;
  EXPECT_THAT(*store_.ListRetriedTargets(Soon(), request), ElementsAre(Devices(2)[1]));
}

}  // namespace fleetcast::job_store
