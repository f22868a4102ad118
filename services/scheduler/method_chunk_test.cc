#include "services/scheduler/method_chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/scheduler/method_chunk_fixture.h"

namespace fleetcast::scheduler {
namespace {

using job_store::PositionSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(MethodChunkTest, HandsOutAtMostTheLimitAndNothingDuringAWrite) {
  MethodChunk chunk = Make(400);
  EXPECT_EQ(chunk.ready(), 400);
  const Intent first = chunk.BeginIssue(250);
  EXPECT_EQ(first.mark.size(), 250);
  EXPECT_EQ(chunk.ready(), 0);
  EXPECT_TRUE(chunk.BeginIssue(250).positions.empty());
  EXPECT_EQ(chunk.Issued(first, 0, At(kLongAgo).wall, At({}), actions_).size(), 250);
  EXPECT_EQ(chunk.ready(), 150);
  EXPECT_EQ(chunk.in_flight(), 250);
}

TEST_F(MethodChunkTest, RecordsTheAnswerWhateverItsStatus) {
  MethodChunk chunk = Make(1);
  Issue(chunk, absl::Seconds(1));
  Event(chunk, 0, Sent(), absl::Seconds(1));
  Event(chunk, 0, Answered(500, R"({"ok":false})"), absl::Seconds(2));
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].state, ExecutionState::kSucceeded);
  EXPECT_EQ(actions_.outcomes[0].device_status, 500);
  EXPECT_EQ(actions_.outcomes[0].payload, R"({"ok":false})");
  EXPECT_EQ(actions_.outcomes[0].start_time, At(absl::Seconds(1)).wall);
  EXPECT_EQ(actions_.outcomes[0].end_time, At(absl::Seconds(2)).wall);
  EXPECT_THAT(actions_.sources, ElementsAre(CallSource{0, 0}));
  EXPECT_THAT(actions_.released, ElementsAre(0));
  EXPECT_EQ(chunk.unfinished(), 0);
}

TEST_F(MethodChunkTest, TheFirstEndStands) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {});
  Event(chunk, 0, Answered(200), absl::Seconds(1));
  Event(chunk, 0, Answered(201), absl::Seconds(2));
  Event(chunk, 0, Unknown(UnknownReason::kConnectionLost), absl::Seconds(2));
  EXPECT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_THAT(actions_.released, SizeIs(1));
}

TEST_F(MethodChunkTest, SaysUnknownAsItIsAndNeverSendsAgain) {
  MethodChunk chunk = Make(2);
  Issue(chunk, {});
  Event(chunk, 0, Unknown(UnknownReason::kConnectionLost), absl::Seconds(1));
  Event(chunk, 1, Unknown(UnknownReason::kResponseTimeout), absl::Seconds(30));
  ASSERT_THAT(actions_.outcomes, SizeIs(2));
  EXPECT_EQ(actions_.outcomes[0].error_code, 404104);
  EXPECT_EQ(actions_.outcomes[1].error_code, 504101);
  EXPECT_EQ(actions_.outcomes[1].state, ExecutionState::kTimedOut);
  EXPECT_EQ(chunk.ready(), 0);
}

TEST_F(MethodChunkTest, FailsAnAnswerThatIsNotJson) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {});
  Event(chunk, 0, Answered(200, "{nope"), absl::Seconds(1));
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].state, ExecutionState::kFailed);
  EXPECT_EQ(actions_.outcomes[0].error_reason, "BAD_DEVICE_RESPONSE");
}

TEST_F(MethodChunkTest, AnOfflineTargetWaitsAndFailsWhenTheWaitIsOver) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {});
  Event(chunk, 0, NotSent(NotSentReason::kOffline), {});
  EXPECT_THAT(actions_.watch, ElementsAre(0));
  EXPECT_THAT(actions_.released, ElementsAre(0));
  EXPECT_FALSE(chunk.only_waiting());  // Its intent is not taken back yet.
  Clear(chunk);
  EXPECT_TRUE(chunk.only_waiting());
  EXPECT_EQ(chunk.next_tick(), At(absl::Seconds(5)).steady);
  chunk.Tick(At(absl::Seconds(4.9)), actions_);
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  chunk.Tick(At(absl::Seconds(5)), actions_);
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].error_code, 404103);
  EXPECT_EQ(actions_.outcomes[0].error_reason, "DEVICE_NOT_ONLINE");
  EXPECT_THAT(actions_.unwatch, ElementsAre(0));
}

TEST_F(MethodChunkTest, AConnectEventMakesItReadyOnceTheIntentIsTakenBack) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {});
  Event(chunk, 0, NotSent(NotSentReason::kOffline), {});
  chunk.OnDeviceReady(0);
  EXPECT_EQ(chunk.ready(), 0);
  EXPECT_TRUE(chunk.wants_clear());
  Clear(chunk);
  EXPECT_EQ(chunk.ready(), 1);
  EXPECT_EQ(Issue(chunk, absl::Seconds(1)), PositionSet({0}));
}

TEST_F(MethodChunkTest, ADeviceThatFlapsDoesNotWaitLonger) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {});
  Event(chunk, 0, NotSent(NotSentReason::kOffline), {});
  Clear(chunk);
  chunk.OnDeviceReady(0);
  Issue(chunk, absl::Seconds(4));
  Event(chunk, 0, NotSent(NotSentReason::kOffline), absl::Seconds(6));
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].error_code, 404103);
}

TEST_F(MethodChunkTest, ALongWaitWatchesAgainNowAndThenAndCallsNobody) {
  options_.wait_max = absl::Seconds(300);
  MethodChunk chunk = Make(1);
  Issue(chunk, {});
  Event(chunk, 0, NotSent(NotSentReason::kOffline), {});
  Clear(chunk);
  actions_ = {};
  chunk.Tick(At(absl::Seconds(60)), actions_);
  EXPECT_THAT(actions_.watch, ElementsAre(0));
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  EXPECT_EQ(chunk.ready(), 0);
  EXPECT_TRUE(chunk.only_waiting());
}

TEST_F(MethodChunkTest, ADeviceThatIsSaidToBeThereAndIsNotIsNotAskedForAtOnce) {
  options_.wait_max = absl::Seconds(300);
  MethodChunk chunk = Make(1);
  Issue(chunk, {});
  Event(chunk, 0, NotSent(NotSentReason::kOffline), {});
  Clear(chunk);
  chunk.OnDeviceReady(0);
  Issue(chunk, {});
  actions_ = {};
  Event(chunk, 0, NotSent(NotSentReason::kOffline), {});
  Clear(chunk);
  EXPECT_THAT(actions_.watch, IsEmpty());
  EXPECT_EQ(chunk.next_tick(), At(absl::Milliseconds(100)).steady);
  chunk.Tick(At(absl::Milliseconds(100)), actions_);
  EXPECT_THAT(actions_.watch, ElementsAre(0));
  EXPECT_EQ(chunk.ready(), 0);
}

TEST_F(MethodChunkTest, AJobThatWaitsForConnectionsSendsNothingFirst) {
  options_.begin_waiting = true;
  options_.wait_max = absl::InfiniteDuration();
  MethodChunk chunk = Make(3);
  EXPECT_EQ(chunk.ready(), 0);
  EXPECT_TRUE(chunk.only_waiting());
  chunk.Begin(actions_);
  EXPECT_THAT(actions_.watch, ElementsAre(0, 1, 2));
  chunk.OnDeviceReady(1);
  EXPECT_EQ(Issue(chunk, absl::Hours(1)), PositionSet({1}));
  Event(chunk, 1, NotSent(NotSentReason::kOffline), absl::Hours(1));  // It was gone again.
  Clear(chunk);
  chunk.Tick(At(absl::Hours(24)), actions_);
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  EXPECT_TRUE(chunk.only_waiting());
}

TEST_F(MethodChunkTest, ReasonsWithoutHopeFailAtOnce) {
  MethodChunk chunk = Make(3);
  Issue(chunk, {});
  Event(chunk, 0, NotSent(NotSentReason::kDeviceNotFound), {});
  Event(chunk, 1, NotSent(NotSentReason::kDeviceDisabled), {});
  Event(chunk, 2, NotSent(NotSentReason::kTooLarge), {});
  ASSERT_THAT(actions_.outcomes, SizeIs(3));
  EXPECT_EQ(actions_.outcomes[0].error_code, 404001);
  EXPECT_EQ(actions_.outcomes[1].error_code, 403012);
  EXPECT_EQ(actions_.outcomes[2].error_code, 413001);
  EXPECT_THAT(actions_.released, SizeIs(3));
}

TEST_F(MethodChunkTest, AnOverloadedHopIsTriedAgainWithGrowingPauses) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {});
  Event(chunk, 0, NotSent(NotSentReason::kOverloaded), {});
  Clear(chunk);
  EXPECT_THAT(actions_.watch, IsEmpty());
  EXPECT_EQ(chunk.next_tick(), At(absl::Milliseconds(50)).steady);
  chunk.Tick(At(absl::Milliseconds(50)), actions_);
  Issue(chunk, absl::Milliseconds(50));
  Event(chunk, 0, NotSent(NotSentReason::kPermitExpired), absl::Milliseconds(50));
  EXPECT_EQ(chunk.next_tick(), At(absl::Milliseconds(150)).steady);
}

TEST_F(MethodChunkTest, NotSentAfterSentIsNotBelieved) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {});
  Event(chunk, 0, Sent(), {});
  Event(chunk, 0, NotSent(NotSentReason::kOffline), {});
  EXPECT_EQ(chunk.in_flight(), 1);
  EXPECT_FALSE(chunk.wants_clear());
}

TEST_F(MethodChunkTest, NotSentOfAnotherDispatcherIsNotBelieved) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {}, /*dispatcher=*/0);
  Event(chunk, 0, NotSent(NotSentReason::kOffline), {}, /*dispatcher=*/1);
  EXPECT_EQ(chunk.in_flight(), 1);
}

TEST_F(MethodChunkTest, AnUnclearCommitIsTakenBackFirst) {
  MethodChunk chunk = Make(3);
  const Intent intent = chunk.BeginIssue(2);
  chunk.NotIssued(intent, /*committed=*/false);
  EXPECT_EQ(chunk.ready(), 1);
  EXPECT_EQ(chunk.BeginClear(), PositionSet({0, 1}));
  EXPECT_EQ(chunk.ready(), 0);
  chunk.EndClear({0, 1}, /*stored=*/false);
  EXPECT_TRUE(chunk.wants_clear());
  Clear(chunk);
  EXPECT_EQ(chunk.ready(), 3);
}

// --- A stream breaks ----------------------------------------------------------------------------------------------

TEST_F(MethodChunkTest, AfterABrokenStreamOnlyThatDispatcherIsAskedAfterThePermit) {
  MethodChunk chunk = Make(2);
  Issue(chunk, {});
  chunk.OnPeerDown(0, At(absl::Milliseconds(100)));
  EXPECT_EQ(chunk.in_flight(), 0);
  EXPECT_THAT(chunk.TakeQuestions(0, At(absl::Milliseconds(200))), IsEmpty());
  EXPECT_EQ(chunk.next_tick(), At(absl::Milliseconds(1250)).steady);
  EXPECT_THAT(chunk.TakeQuestions(1, At(absl::Seconds(2))), IsEmpty());
  EXPECT_THAT(chunk.TakeQuestions(0, At(absl::Seconds(2))), ElementsAre(0, 1));
  EXPECT_THAT(chunk.TakeQuestions(0, At(absl::Seconds(2))), IsEmpty());
}

TEST_F(MethodChunkTest, NotSeenBySameDispatcherIsProof) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {}, 0, kLongAgo);
  chunk.OnPeerDown(0, At({}));
  chunk.TakeQuestions(0, At(absl::Seconds(2)));
  chunk.OnKnowledge(0, 0, Knowledge::kNotSeen, At(kLongAgo).wall, At(absl::Seconds(2)), actions_);
  Clear(chunk);
  EXPECT_EQ(chunk.ready(), 1);
  EXPECT_THAT(actions_.outcomes, IsEmpty());
}

TEST_F(MethodChunkTest, NotSeenByARestartedDispatcherIsUnknown) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {}, 0, kLongAgo);
  chunk.OnPeerDown(0, At({}));
  chunk.TakeQuestions(0, At(absl::Seconds(2)));
  chunk.OnKnowledge(0, 0, Knowledge::kNotSeen, At(absl::Seconds(1)).wall, At(absl::Seconds(2)), actions_);
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].error_code, 504101);
  EXPECT_EQ(actions_.outcomes[0].error_reason, "OUTCOME_UNKNOWN");
  EXPECT_EQ(chunk.ready(), 0);
}

TEST_F(MethodChunkTest, APendingCallIsAdoptedAndItsAnswerRecorded) {
  MethodChunk chunk = MakeInherited();
  chunk.TakeQuestions(1, At(absl::Seconds(2)));
  chunk.OnKnowledge(0, 1, Knowledge::kPending, At(kLongAgo).wall, At(absl::Seconds(2)), actions_);
  EXPECT_EQ(chunk.in_flight(), 1);
  Event(chunk, 0, Answered(200), absl::Seconds(3), /*dispatcher=*/1);
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].start_time, At(-absl::Seconds(20)).wall);
  EXPECT_THAT(actions_.released, ElementsAre(1));
}

TEST_F(MethodChunkTest, ARepeatedEndIsRecorded) {
  MethodChunk chunk = MakeInherited();
  chunk.TakeQuestions(0, At(absl::Seconds(2)));
  chunk.OnKnowledge(0, 0, Knowledge::kFinished, At(kLongAgo).wall, At(absl::Seconds(2)), actions_);
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  Event(chunk, 0, Answered(200), absl::Seconds(2));
  EXPECT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_THAT(actions_.released, IsEmpty());
}

// --- Another owner crashed ----------------------------------------------------------------------------------------

TEST_F(MethodChunkTest, InheritedTargetsNeedTheWordOfEveryDispatcher) {
  MethodChunk chunk = MakeInherited();
  EXPECT_EQ(chunk.ready(), 0);
  EXPECT_THAT(chunk.TakeQuestions(0, At(absl::Seconds(2))), ElementsAre(0));
  EXPECT_THAT(chunk.TakeQuestions(1, At(absl::Seconds(2))), ElementsAre(0));
  chunk.OnKnowledge(0, 0, Knowledge::kNotSeen, At(kLongAgo).wall, At(absl::Seconds(2)), actions_);
  EXPECT_EQ(chunk.ready(), 0);
  EXPECT_FALSE(chunk.wants_clear());
  chunk.OnKnowledge(0, 1, Knowledge::kNotSeen, At(kLongAgo).wall, At(absl::Seconds(2)), actions_);
  Clear(chunk);
  EXPECT_EQ(chunk.ready(), 1);
}

TEST_F(MethodChunkTest, OneDispatcherYoungerThanTheJobMakesItUnknown) {
  MethodChunk chunk = MakeInherited();
  chunk.TakeQuestions(0, At(absl::Seconds(2)));
  chunk.TakeQuestions(1, At(absl::Seconds(2)));
  // The job started at -100 s: who started at -99 s may have replaced one that sent the call.
  chunk.OnKnowledge(0, 0, Knowledge::kNotSeen, At(-absl::Seconds(99)).wall, At(absl::Seconds(2)), actions_);
  chunk.OnKnowledge(0, 1, Knowledge::kNotSeen, At(kLongAgo).wall, At(absl::Seconds(2)), actions_);
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].error_reason, "OUTCOME_UNKNOWN");
}

// M1: it was killed and started anew on a machine whose clock is behind.
TEST_F(MethodChunkTest, ADispatcherThatClaimsToBeOlderThanTheOneThatGotTheCallMakesItUnknown) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {}, 0, -absl::Seconds(50));
  chunk.OnPeerDown(0, At(absl::Seconds(1)));
  ASSERT_THAT(chunk.TakeQuestions(0, At(absl::Seconds(2))), SizeIs(1));
  chunk.OnKnowledge(0, 0, Knowledge::kNotSeen, At(-absl::Seconds(90)).wall, At(absl::Seconds(2)), actions_);
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].error_reason, "OUTCOME_UNKNOWN");
}

TEST_F(MethodChunkTest, ADispatcherThatNeverAnswersMakesItUnknown) {
  MethodChunk chunk = MakeInherited();
  chunk.TakeQuestions(0, At(absl::Seconds(2)));
  chunk.OnKnowledge(0, 0, Knowledge::kNotSeen, At(kLongAgo).wall, At(absl::Seconds(2)), actions_);
  chunk.Tick(At(absl::Seconds(29)), actions_);
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  chunk.Tick(At(absl::Seconds(30)), actions_);
  EXPECT_THAT(actions_.outcomes, SizeIs(1));
}

TEST_F(MethodChunkTest, QuestionsAreAskedAgainOnANewStream) {
  MethodChunk chunk = MakeInherited();
  chunk.TakeQuestions(0, At(absl::Seconds(2)));
  chunk.OnPeerDown(0, At(absl::Seconds(3)));
  EXPECT_THAT(chunk.TakeQuestions(0, At(absl::Seconds(4))), ElementsAre(0));
}

TEST_F(MethodChunkTest, ADispatcherThatOwesTheEndIsAsked) {
  MethodChunk chunk = Make(1);
  Issue(chunk, {});
  Event(chunk, 0, Sent(), {});
  chunk.Tick(At(absl::Seconds(36)), actions_);
  EXPECT_THAT(actions_.released, ElementsAre(0));
  EXPECT_THAT(chunk.TakeQuestions(0, At(absl::Seconds(36))), ElementsAre(0));
}

// --- The lease is lost --------------------------------------------------------------------------------------------

TEST_F(MethodChunkTest, ALostChunkIssuesNothingButRecordsWhatComes) {
  MethodChunk chunk = Make(2);
  const Intent intent = chunk.BeginIssue(1);
  chunk.Issued(intent, 0, At(kLongAgo).wall, At({}), actions_);
  chunk.Lose(actions_);
  EXPECT_EQ(chunk.ready(), 0);
  EXPECT_FALSE(chunk.drained());
  Event(chunk, 0, Answered(200), absl::Seconds(1));
  EXPECT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_TRUE(chunk.drained());
}

TEST_F(MethodChunkTest, ALostChunkLeavesProofToTheStoreAndDecidesNothing) {
  MethodChunk chunk = Make(2);
  Issue(chunk, {});
  chunk.Lose(actions_);
  Event(chunk, 0, NotSent(NotSentReason::kDeviceNotFound), absl::Seconds(1));
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  EXPECT_EQ(chunk.BeginClear(), PositionSet({0}));
  chunk.EndClear({0}, true);
  chunk.Tick(At(absl::Seconds(36)), actions_);   // Now asked about,
  chunk.Tick(At(absl::Seconds(100)), actions_);  // … and given up.
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  EXPECT_TRUE(chunk.drained());
}

TEST_F(MethodChunkTest, LosingOrAbandoningStopsWatching) {
  MethodChunk chunk = Make(2);
  Issue(chunk, {});
  Event(chunk, 0, NotSent(NotSentReason::kOffline), {});
  chunk.Lose(actions_);
  EXPECT_THAT(actions_.unwatch, ElementsAre(0));
  actions_ = {};
  chunk.Abandon(actions_);
  EXPECT_THAT(actions_.released, ElementsAre(0));
  EXPECT_THAT(actions_.unwatch, IsEmpty());
}

}  // namespace
}  // namespace fleetcast::scheduler
