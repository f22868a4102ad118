#include "services/scheduler/twin_chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/scheduler/chunk_fixture.h"

namespace fleetcast::scheduler {
namespace {

using job_store::PositionSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TwinChunkTest : public ::testing::Test {
 protected:
  static TwinChunk Make(int targets) { return TwinChunk(LeasedTwinChunk(targets), {}); }

  static SliceResult Result(int slice, SliceResult::Disposition disposition,
                            std::vector<SliceResult::Failure> failures = {}) {
    return {.chunk = {7, 2}, .slice = slice, .disposition = disposition, .failures = std::move(failures)};
  }
  static SliceResult Applied(int slice, std::vector<SliceResult::Failure> failures = {}) {
    return Result(slice, SliceResult::Disposition::kApplied, std::move(failures));
  }

  ChunkActions actions_;
};

TEST_F(TwinChunkTest, CutsTheChunkIntoSlices) {
  TwinChunk chunk = Make(600);
  EXPECT_EQ(chunk.ready(), 600);
  EXPECT_EQ(chunk.SizeOf(0), 250);
  EXPECT_EQ(chunk.SizeOf(2), 100);
  const Intent intent = chunk.BeginIssue(600);
  EXPECT_EQ(intent.mark.size(), 600);
  EXPECT_THAT(chunk.Issued(intent, 0, At({})), ElementsAre(0, 1, 2));
  EXPECT_EQ(chunk.in_flight(), 600);
  EXPECT_EQ(chunk.DevicesOf(2).front(), "device-1500");
}

TEST_F(TwinChunkTest, RecordsTheResultOfEachDevice) {
  TwinChunk chunk = Make(3);
  chunk.Issued(chunk.BeginIssue(250), 0, At({}));
  chunk.OnResult(Applied(0, {{1, 404001, "DEVICE_NOT_FOUND"}}), At(absl::Seconds(1)), actions_);
  ASSERT_THAT(actions_.outcomes, SizeIs(3));
  EXPECT_EQ(actions_.outcomes[0].state, ExecutionState::kSucceeded);
  EXPECT_EQ(actions_.outcomes[1].state, ExecutionState::kFailed);
  EXPECT_EQ(actions_.outcomes[1].error_code, 404001);
  EXPECT_EQ(actions_.outcomes[1].error_reason, "DEVICE_NOT_FOUND");
  EXPECT_EQ(actions_.outcomes[2].state, ExecutionState::kSucceeded);
  EXPECT_THAT(actions_.released, SizeIs(3));
  EXPECT_EQ(chunk.unfinished(), 0);
}

// J10: a cancel that was committed meanwhile waits for no new permit, so the lease has to be proved first.
TEST_F(TwinChunkTest, SendsAgainWithoutANewMarkWhenTheLeaseIsProved) {
  TwinChunk chunk = Make(3);
  chunk.Issued(chunk.BeginIssue(250), 0, At({}));
  chunk.OnResult(Result(0, SliceResult::Disposition::kUnknown), At({}), actions_);
  EXPECT_EQ(chunk.ready(), 0);
  chunk.Tick(At(absl::Milliseconds(20)), actions_);
  EXPECT_EQ(chunk.ready(), 3);
  const Intent again = chunk.BeginIssue(250);
  EXPECT_TRUE(again.mark.empty());
  EXPECT_TRUE(again.needs_commit());
  chunk.NotIssued(again, /*committed=*/false);  // The store did not answer.
  const Intent third = chunk.BeginIssue(250);
  EXPECT_TRUE(third.needs_commit());
  EXPECT_THAT(chunk.Issued(third, 1, At(absl::Seconds(1))), ElementsAre(0));
  EXPECT_THAT(actions_.outcomes, IsEmpty());
}

TEST_F(TwinChunkTest, RepeatsWhatAnEarlierOwnerMayHaveWritten) {
  auto leased = LeasedTwinChunk(500);
  leased.in_flight = PositionSet::FirstN(250);
  leased.pending -= leased.in_flight;
  TwinChunk chunk(std::move(leased), {});
  const Intent intent = chunk.BeginIssue(1000);
  EXPECT_EQ(intent.positions.size(), 500);
  EXPECT_EQ(intent.mark.size(), 250);
  EXPECT_FALSE(intent.mark.Contains(0));
}

TEST_F(TwinChunkTest, RecordsOnlyTargetsWithoutAnOutcome) {
  auto leased = LeasedTwinChunk(3);
  leased.pending = {2};
  TwinChunk chunk(std::move(leased), {});
  chunk.Issued(chunk.BeginIssue(250), 0, At({}));
  EXPECT_EQ(chunk.DevicesOf(0).size(), 3u);  // The devices of an operation key never change.
  chunk.OnResult(Applied(0), At({}), actions_);
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].position, 2);
}

TEST_F(TwinChunkTest, ABrokenStreamOrSilenceRepeatsTheSlice) {
  TwinChunk chunk = Make(3);
  chunk.Issued(chunk.BeginIssue(250), 0, At({}));
  chunk.OnPeerDown(1, At({}));
  EXPECT_EQ(chunk.in_flight(), 3);
  chunk.OnPeerDown(0, At({}));
  EXPECT_EQ(chunk.in_flight(), 0);
  chunk.Tick(At(absl::Seconds(1)), actions_);
  chunk.Issued(chunk.BeginIssue(250), 0, At(absl::Seconds(1)));
  chunk.Tick(At(absl::Seconds(11)), actions_);
  EXPECT_THAT(actions_.released, SizeIs(3));
  EXPECT_EQ(chunk.ready(), 3);
}

TEST_F(TwinChunkTest, AnUnclearIntentIsTakenBackFirst) {
  TwinChunk chunk = Make(3);
  const Intent intent = chunk.BeginIssue(250);
  chunk.NotIssued(intent, /*committed=*/false);
  EXPECT_EQ(chunk.ready(), 0);
  chunk.EndClear(chunk.BeginClear(), true);
  EXPECT_EQ(chunk.BeginIssue(250).mark.size(), 3);
}

TEST_F(TwinChunkTest, ALostChunkRecordsWhatComesAndLeavesTheRest) {
  TwinChunk chunk = Make(500);
  chunk.Issued(chunk.BeginIssue(500), 0, At({}));
  chunk.Lose(actions_);
  chunk.OnResult(Applied(0), At({}), actions_);
  EXPECT_THAT(actions_.outcomes, SizeIs(250));
  EXPECT_FALSE(chunk.drained());
  chunk.OnResult(Result(1, SliceResult::Disposition::kNotApplied), At({}), actions_);
  EXPECT_EQ(chunk.BeginClear().size(), 250);
  chunk.EndClear({}, true);
  EXPECT_TRUE(chunk.drained());
}

}  // namespace
}  // namespace fleetcast::scheduler
