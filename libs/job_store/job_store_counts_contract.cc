// The contract of counts in jobs of many chunks: 20, so that a store may keep sums beside them.
#include <thread>

#include "libs/job_store/job_store_contract.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::job_store {

using fleetcast::testing::WaitFor;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr int kChunks = 20;
constexpr int kPerChunk = 3;
constexpr int kTotal = kChunks * kPerChunk;

JobCounts Counts(JobCounts counts) {
  counts.total = kTotal;
  return counts;
}

TEST_P(JobStoreContract, ABigJobIsPendingWhenItStarts) {
  RunInChunks(MethodJob("job-1"), kChunks, kPerChunk);
  EXPECT_EQ(Get("job-1").counts, Counts({.pending = kTotal}));
  EXPECT_THAT(Lease(kChunks), SizeIs(kChunks));
}

TEST_P(JobStoreContract, ABigJobCountsEveryChange) {
  RunInChunks(MethodJob("job-1"), kChunks, kPerChunk);
  const std::vector<LeasedChunk> chunks = Lease(kChunks);
  ASSERT_THAT(chunks, SizeIs(kChunks));
  ASSERT_TRUE(Mark(chunks[0].lease, {0, 1, 2}));
  ASSERT_TRUE(Mark(chunks[1].lease, {0, 1}));
  EXPECT_EQ(Get("job-1").counts, Counts({.pending = kTotal - 5, .running = 5}));
  ASSERT_TRUE(Clear(chunks[1].lease, {1}));
  EXPECT_EQ(Get("job-1").counts, Counts({.pending = kTotal - 4, .running = 4}));
  EXPECT_EQ(Record(chunks[0].lease, {0, 1, 2}).closed_chunks.size(), 1u);
  EXPECT_EQ(Record(chunks[1].lease, {0}, ExecutionState::kFailed).recorded, 1);
  EXPECT_EQ(Record(chunks[1].lease, {0}, ExecutionState::kFailed).repeated, 1);
  EXPECT_EQ(Get("job-1").counts, Counts({.pending = kTotal - 4, .succeeded = 3, .failed = 1}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto listed, store_.ListJobs(Soon(), {}));
  ASSERT_THAT(listed.entries, SizeIs(1));
  EXPECT_EQ(listed.entries[0].counts, Get("job-1").counts);
}

TEST_P(JobStoreContract, OneChangeOfABigJobMayTouchManyChunksAndJobs) {
  RunInChunks(MethodJob("job-1"), kChunks, kPerChunk);
  RunInChunks(MethodJob("job-2"), kChunks, kPerChunk);
  std::vector<IssueRequest> requests;
  for (const LeasedChunk& chunk : Lease(2 * kChunks)) {
    requests.push_back({chunk.lease, {0}});
    requests.push_back({chunk.lease, {2}});
  }
  ASSERT_THAT(requests, SizeIs(4 * kChunks));
  FLEETCAST_ASSERT_OK(store_.MarkIssued(Soon(), requests));
  std::vector<Outcome> outcomes;
  for (const IssueRequest& request : requests) {
    Outcome& outcome = outcomes.emplace_back();
    outcome.lease = request.lease;
    outcome.position = request.positions.ToVector().front();
    outcome.state = ExecutionState::kSucceeded;
    outcome.device_status = 500;
    outcome.end_time = absl::Now();
  }
  FLEETCAST_ASSERT_OK(store_.RecordOutcomes(Soon(), outcomes));
  const JobCounts expected = Counts({.pending = kChunks, .succeeded = 2 * kChunks, .device_errors = 2 * kChunks});
  EXPECT_EQ(Get("job-1").counts, expected);
  EXPECT_EQ(Get("job-2").counts, expected);
}

TEST_P(JobStoreContract, ABigJobEndsWithItsLastChunk) {
  RunInChunks(MethodJob("job-1"), kChunks, kPerChunk);
  const std::vector<LeasedChunk> chunks = Lease(kChunks);
  ASSERT_THAT(chunks, SizeIs(kChunks));
  for (const LeasedChunk& chunk : chunks) {
    EXPECT_EQ(Get("job-1").state, JobState::kRunning);
    ASSERT_TRUE(Mark(chunk.lease, {0, 1, 2}));
    Record(chunk.lease, {0, 1}, ExecutionState::kFailed);
    const RecordResult last = Record(chunk.lease, {2});
    EXPECT_EQ(last.ended_jobs.size(), &chunk == &chunks.back() ? 1u : 0u);
  }
  EXPECT_EQ(Get("job-1").state, JobState::kCompleted);
  EXPECT_EQ(Get("job-1").counts, Counts({.succeeded = kChunks, .failed = 2 * kChunks}));
}

TEST_P(JobStoreContract, ACancelledBigJobEndsWhenItsLastTargetHasAnswered) {
  RunInChunks(MethodJob("job-1"), kChunks, kPerChunk);
  const std::vector<LeasedChunk> chunks = Lease(kChunks);
  ASSERT_THAT(chunks, SizeIs(kChunks));
  ASSERT_TRUE(Mark(chunks[0].lease, {0, 1}));
  ASSERT_TRUE(Mark(chunks[1].lease, {0}));
  FLEETCAST_ASSERT_OK(store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
  EXPECT_EQ(Get("job-1").counts, Counts({.running = 3, .canceled = kTotal - 3}));
  Record(chunks[0].lease, {0});
  ASSERT_TRUE(Clear(chunks[0].lease, {1}));
  EXPECT_EQ(Get("job-1").state, JobState::kCancelling);
  EXPECT_THAT(Record(chunks[1].lease, {0}, ExecutionState::kFailed).ended_jobs, ElementsAre("job-1"));
  EXPECT_EQ(Get("job-1").state, JobState::kCancelled);
  EXPECT_EQ(Get("job-1").counts, Counts({.succeeded = 1, .failed = 1, .canceled = kTotal - 2}));
}

TEST_P(JobStoreContract, ABigJobThatNothingWasSentOfEndsWithItsCancel) {
  RunInChunks(MethodJob("job-1"), kChunks, kPerChunk);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const StopResult result,
                                 store_.CancelJob(Soon(), {.job_id = "job-1", .drain = kDrain}));
  EXPECT_EQ(result.job.state, JobState::kCancelled);
  EXPECT_EQ(result.job.counts, Counts({.canceled = kTotal}));
  EXPECT_EQ(Get("job-1").counts, Counts({.canceled = kTotal}));
}

TEST_P(JobStoreContract, ABigJobWhoseTimeIsOverEnds) {
  CreateRequest request = MethodJob("job-1");
  request.spec.execution_timeout = absl::Seconds(1);
  RunInChunks(request, kChunks, kPerChunk);
  const std::vector<LeasedChunk> chunks = Lease(kChunks);
  ASSERT_THAT(chunks, SizeIs(kChunks));
  ASSERT_TRUE(Mark(chunks[0].lease, {0, 1}));
  ExpireResult total;
  ASSERT_TRUE(WaitFor([&] {
    const auto result = store_.ExpireJobs(Soon(), absl::ZeroDuration(), 10);
    if (result.ok()) {
      total.expired += result->expired;
      total.ended_jobs.insert(total.ended_jobs.end(), result->ended_jobs.begin(), result->ended_jobs.end());
    }
    return !total.ended_jobs.empty();
  }));
  EXPECT_EQ(total.expired, 1);
  EXPECT_EQ(Get("job-1").state, JobState::kFailed);
  EXPECT_EQ(Get("job-1").counts, Counts({.timed_out = kTotal}));
}

// Reliability J6, from every snapshot: what is read adds up, ended targets never become fewer, pending ones never more.
TEST_P(JobStoreContract, WhatIsReadOfABigJobWhileManyWriteAddsUp) {
  RunInChunks(MethodJob("job-1"), kChunks, kPerChunk);
  std::vector<LeasedChunk> chunks = Lease(kChunks);
  ASSERT_THAT(chunks, SizeIs(kChunks));
  constexpr int kWriters = 5;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (int position = 0; position < kPerChunk; ++position) {
        for (int c = w; c < kChunks; c += kWriters) {
          EXPECT_TRUE(Mark(chunks[c].lease, {position}));
          const auto state = position == 0 ? ExecutionState::kFailed : ExecutionState::kSucceeded;
          EXPECT_EQ(Record(chunks[c].lease, {position}, state).recorded, 1);
        }
      }
    });
  }
  JobCounts before = Counts({.pending = kTotal});
  const bool ended = WaitFor([&] {
    const Job job = Get("job-1");
    EXPECT_GE(job.counts.succeeded, before.succeeded);
    EXPECT_GE(job.counts.failed, before.failed);
    EXPECT_LE(job.counts.pending, before.pending);
    before = job.counts;
    return job.state == JobState::kCompleted;
  });
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(ended);
  EXPECT_EQ(Get("job-1").counts, Counts({.succeeded = 2 * kChunks, .failed = kChunks}));
}

}  // namespace fleetcast::job_store
