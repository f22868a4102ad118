#include "libs/job_store/chunk.h"

#include <gtest/gtest.h>

#include "libs/model/reasons.h"

namespace fleetcast::job_store {
namespace {

Chunk OpenChunk(int size) {
  Chunk chunk;
  chunk.key = {1, 0};
  chunk.size = size;
  chunk.epoch = 5;
  return chunk;
}

Outcome OutcomeAt(int position, int64_t epoch, ExecutionState state = ExecutionState::kSucceeded) {
  Outcome outcome;
  outcome.lease = {{1, 0}, epoch};
  outcome.position = position;
  outcome.state = state;
  return outcome;
}

// Everything is somewhere, at any time.
void ExpectSums(const Chunk& chunk) {
  JobCounts counts;
  AddTo(counts, chunk);
  EXPECT_EQ(counts.pending + counts.running + counts.succeeded + counts.failed + counts.timed_out + counts.canceled,
            counts.total);
  EXPECT_GE(counts.pending, 0);
  EXPECT_GE(counts.running, 0);
}

TEST(ChunkTest, AnIntentNeedsTheEpochAndPendingTargets) {
  Chunk chunk = OpenChunk(4);
  EXPECT_FALSE(MarkIssued(chunk, 4, {0}));
  EXPECT_FALSE(MarkIssued(chunk, 5, {4})) << "beyond the chunk";
  EXPECT_TRUE(MarkIssued(chunk, 5, {0, 1}));
  EXPECT_FALSE(MarkIssued(chunk, 5, {1, 2})) << "1 is issued; then 2 is not either";
  EXPECT_EQ(chunk.pending(), 2);
  EXPECT_EQ(chunk.running(), 2);
}

TEST(ChunkTest, AProofOfNotSentMakesTargetsPendingAgain) {
  Chunk chunk = OpenChunk(3);
  ASSERT_TRUE(MarkIssued(chunk, 5, {0, 1, 2}));
  Count(chunk, 2, ExecutionState::kFailed, false);
  EXPECT_FALSE(ClearIssued(chunk, 4, {0}, {2}));
  EXPECT_TRUE(ClearIssued(chunk, 5, {0, 2}, {2}));
  EXPECT_EQ(chunk.issued, (PositionSet{1, 2})) << "2 has ended and keeps its bit";
  EXPECT_EQ(chunk.pending(), 1);
}

TEST(ChunkTest, OutcomesOfIssuedTargetsNeedNoLease) {
  Chunk chunk = OpenChunk(2);
  ASSERT_TRUE(MarkIssued(chunk, 5, {0}));
  EXPECT_TRUE(Accepts(chunk, OutcomeAt(0, 4)));
  EXPECT_FALSE(Accepts(chunk, OutcomeAt(1, 4))) << "not issued, and the lease is lost";
  EXPECT_TRUE(Accepts(chunk, OutcomeAt(1, 5)));
  EXPECT_FALSE(Accepts(chunk, OutcomeAt(2, 5))) << "no such target";
  EXPECT_FALSE(Accepts(chunk, OutcomeAt(0, 5, ExecutionState::kRunning))) << "not an end";
}

TEST(ChunkTest, ThatNothingWasSentCountsFromTheLastOwnerOnly) {
  Chunk chunk = OpenChunk(1);
  ASSERT_TRUE(MarkIssued(chunk, 5, {0}));
  Outcome denial = OutcomeAt(0, 4, ExecutionState::kFailed);
  denial.is_not_sent = true;
  EXPECT_FALSE(Accepts(chunk, denial)) << "it was issued again since";
  denial.lease.epoch = 5;
  EXPECT_TRUE(Accepts(chunk, denial));
  Stop(chunk, StopKind::kCancelled);
  EXPECT_TRUE(Accepts(chunk, denial));
  denial.lease.epoch = 4;
  EXPECT_FALSE(Accepts(chunk, denial));
}

TEST(ChunkTest, ClosesWhenAllHaveEnded) {
  Chunk chunk = OpenChunk(2);
  Count(chunk, 0, ExecutionState::kSucceeded, false);
  EXPECT_FALSE(CloseIfComplete(chunk));
  Count(chunk, 1, ExecutionState::kTimedOut, false);
  EXPECT_TRUE(CloseIfComplete(chunk));
  EXPECT_FALSE(Accepts(chunk, OutcomeAt(0, 5)));
  ExpectSums(chunk);
}

TEST(ChunkTest, CancelEndsWhatWasNotIssuedAndWaitsForTheRest) {
  Chunk chunk = OpenChunk(5);
  ASSERT_TRUE(MarkIssued(chunk, 5, {0, 1, 2}));
  Count(chunk, 0, ExecutionState::kSucceeded, false);
  Stop(chunk, StopKind::kCancelled);
  EXPECT_EQ(chunk.epoch, 6);
  EXPECT_EQ(chunk.canceled, 2);
  EXPECT_EQ(chunk.running(), 2);
  EXPECT_FALSE(MarkIssued(chunk, 6, {3}));
  EXPECT_FALSE(Accepts(chunk, OutcomeAt(3, 6))) << "it is canceled, once and for ever";
  EXPECT_TRUE(Accepts(chunk, OutcomeAt(1, 5)));
  Count(chunk, 1, ExecutionState::kFailed, false);
  EXPECT_FALSE(ClearIssued(chunk, 4, {2}, {0, 1})) << "an older owner cannot know what was sent since";
  EXPECT_TRUE(ClearIssued(chunk, 5, {2}, {0, 1})) << "the last owner may say that it did not send it";
  EXPECT_EQ(chunk.canceled, 3);
  EXPECT_TRUE(CloseIfComplete(chunk));
  ExpectSums(chunk);
}

TEST(ChunkTest, SettlingTimesOutWhatNeverAnswered) {
  Chunk chunk = OpenChunk(3);
  ASSERT_TRUE(MarkIssued(chunk, 5, {0}));
  Stop(chunk, StopKind::kExpired);
  EXPECT_EQ(chunk.timed_out, 2);
  Settle(chunk);
  EXPECT_EQ(chunk.timed_out, 3);
  EXPECT_EQ(chunk.state, ChunkState::kClosed);
  ExpectSums(chunk);
}

TEST(ChunkTest, AnOpenChunkIsNotSettled) {
  Chunk chunk = OpenChunk(1);
  Settle(chunk);
  EXPECT_EQ(chunk.state, ChunkState::kOpen);
}

TEST(ChunkTest, DescribesTargetsWithoutOutcome) {
  JobFacts job;
  job.stop = StopKind::kExpired;
  job.stop_time = absl::FromUnixSeconds(100);
  Chunk chunk = OpenChunk(3);
  EXPECT_EQ(Describe(job, chunk, std::nullopt, 0, "a", nullptr).state, ExecutionState::kPending);
  ASSERT_TRUE(MarkIssued(chunk, 5, {0}));
  EXPECT_EQ(Describe(job, chunk, std::nullopt, 0, "a", nullptr).state, ExecutionState::kRunning);

  Stop(chunk, StopKind::kExpired);
  EXPECT_EQ(Describe(job, chunk, std::nullopt, 0, "a", nullptr).state, ExecutionState::kRunning);
  const Execution untouched = Describe(job, chunk, std::nullopt, 1, "b", nullptr);
  EXPECT_EQ(untouched.state, ExecutionState::kTimedOut);
  EXPECT_EQ(untouched.error_code, 400024);
  EXPECT_EQ(untouched.end_time, job.stop_time);

  Settle(chunk);
  const Execution unanswered = Describe(job, chunk, absl::FromUnixSeconds(200), 0, "a", nullptr);
  EXPECT_EQ(unanswered.state, ExecutionState::kTimedOut);
  EXPECT_EQ(unanswered.error_code, 504101);
  EXPECT_EQ(unanswered.error_reason, reasons::kOutcomeUnknown);
  EXPECT_EQ(unanswered.end_time, absl::FromUnixSeconds(200));
  EXPECT_EQ(Describe(job, chunk, absl::FromUnixSeconds(200), 1, "b", nullptr).end_time, job.stop_time)
      << "an end time never changes";
}

TEST(ChunkTest, AJobFailsWhenTimeRanOutBeforeSomeTargets) {
  EXPECT_EQ(EndOf(JobState::kRunning, StopKind::kNone, 0).state, JobState::kCompleted);
  EXPECT_EQ(EndOf(JobState::kRunning, StopKind::kExpired, 0).state, JobState::kCompleted);
  EXPECT_EQ(EndOf(JobState::kRunning, StopKind::kExpired, 2).state, JobState::kFailed);
  EXPECT_FALSE(EndOf(JobState::kRunning, StopKind::kExpired, 2).failure_reason.empty());
  EXPECT_EQ(EndOf(JobState::kCancelling, StopKind::kCancelled, 7).state, JobState::kCancelled);
}

}  // namespace
}  // namespace fleetcast::job_store
