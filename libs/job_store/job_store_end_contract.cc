// The contract of cancel, expiry and executions.
#include "libs/job_store/job_store_contract.h"

#include <latch>
#include <thread>

#include "libs/testing/wait_for.h"

namespace fleetcast::job_store {

using fleetcast::testing::StatusIs;
using fleetcast::testing::WaitFor;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Code = absl::StatusCode;

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
    std::latch cancelled(1);  // The last hundred of each chunk waits for it, so that no worker is ever done before.
    std::vector<std::jthread> workers;
    for (const LeasedChunk& chunk : chunks) {
      workers.emplace_back([&] {
        for (int from = 0; from < kChunkTargets; from += 100) {
          if (from + 100 == kChunkTargets) cancelled.wait();
          const PositionSet batch = PositionSet::FirstN(from + 100) - PositionSet::FirstN(from);
          if (!Mark(chunk.lease, batch)) return;
          EXPECT_EQ(Record(chunk.lease, batch).recorded, 100) << "issued before the cancel: the true outcome counts";
        }
      });
    }
    FLEETCAST_EXPECT_OK(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
    cancelled.count_down();
  }
  const Job job = Get("job-1");
  EXPECT_EQ(job.state, JobState::kCancelled);
  EXPECT_EQ(job.counts.succeeded + job.counts.canceled, 4'000);
  EXPECT_GE(job.counts.canceled, 400);
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
