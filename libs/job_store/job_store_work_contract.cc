// The contract of leases, intents and outcomes.
#include "libs/job_store/job_store_contract.h"

#include <thread>

#include "libs/testing/wait_for.h"

namespace fleetcast::job_store {

using fleetcast::testing::IsOkAndHolds;
using fleetcast::testing::WaitFor;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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
  Outcome denial;
  denial.lease = old.lease;
  denial.position = 1;
  denial.error_code = 404103;
  denial.is_not_sent = true;
  denial.end_time = Soon();
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto denied, store_.RecordOutcomes(Soon(), std::vector{denial}));
  EXPECT_EQ(denied.refused, 1) << "the new owner may have sent it since";
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

// Many that ended alike may be stored as one: the places between them keep what they have.
TEST_P(JobStoreContract, OutcomesThatEndedAlikeLeaveEarlierOnesAlone) {
  Run(MethodJob("job-1"), Devices(40));
  const LeasedChunk chunk = LeaseOne();
  ASSERT_TRUE(Mark(chunk.lease, PositionSet::FirstN(40)));
  EXPECT_EQ(Record(chunk.lease, {3, 10}, ExecutionState::kFailed).recorded, 2);
  const RecordResult some = Record(chunk.lease, PositionSet::FirstN(30));
  EXPECT_EQ(some.recorded, 28);
  EXPECT_EQ(some.repeated, 2);
  const RecordResult rest = Record(chunk.lease, PositionSet::FirstN(40) - PositionSet::FirstN(25));
  EXPECT_EQ(rest.recorded, 10);
  EXPECT_EQ(rest.repeated, 5);
  EXPECT_THAT(rest.ended_jobs, ElementsAre("job-1"));
  const JobCounts counts = Get("job-1").counts;
  EXPECT_EQ(counts.succeeded, 38);
  EXPECT_EQ(counts.failed, 2);
  EXPECT_EQ(GetOn("job-1", "d10010").state, ExecutionState::kFailed);
  EXPECT_EQ(GetOn("job-1", "d10011").payload, R"({"locked":true})");
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

}  // namespace fleetcast::job_store
