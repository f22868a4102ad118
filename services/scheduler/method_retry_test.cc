// Retries of a chunk's targets: numbers, policies, what the outcome is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/scheduler/method_chunk_fixture.h"

namespace fleetcast::scheduler {
namespace {

using job_store::PositionSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RetryTest : public MethodChunkTest {
 protected:
  class Half final : public Random {
   public:
    uint64_t Next() override { return 500'000; }
  };

  RetryTest() { options_.random = &half_; }

  MethodChunk MakeRetrying(FailureType type, int retries, int targets = 1) {
    return MethodChunk(Retrying(type, retries, targets), options_, At({}));
  }
  static job_store::LeasedChunk Retrying(FailureType type, int retries, int targets = 1) {
    auto leased = LeasedMethodChunk(targets);
    auto job = std::make_shared<job_store::Job>(*leased.job);
    job->spec.execution_timeout = absl::Hours(1);
    job->spec.retry.idempotent = true;
    job->spec.retry.criteria = {{type, retries}};
    leased.job = job;
    return leased;
  }
  // Of attempt `attempt`.
  static CallEvent Of(int attempt, CallEvent event) {
    event.attempt = attempt;
    return event;
  }
  // Waits until the target may be tried again, and issues it.
  Intent IssueAgain(MethodChunk& chunk, absl::Duration when) {
    chunk.Tick(At(when), actions_);
    Intent intent = chunk.BeginIssue(1'000);
    chunk.Issued(intent, 0, At(kLongAgo).wall, At(when), actions_);
    return intent;
  }

  Half half_;  // Draws half a second, or what is left of it by the modulus.
};

TEST_F(RetryTest, AFailedAttemptIsTriedAgainUnderTheNextNumber) {
  MethodChunk chunk = MakeRetrying(FailureType::kFailed, 2);
  Issue(chunk, {});
  Event(chunk, 0, Unknown(UnknownReason::kConnectionLost), absl::Seconds(1));
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  EXPECT_THAT(actions_.released, ElementsAre(0));
  EXPECT_EQ(chunk.next_tick(), At(absl::Milliseconds(1500)).steady);
  EXPECT_EQ(chunk.issued(), 1);
  chunk.Tick(At(absl::Milliseconds(1500)), actions_);
  EXPECT_EQ(chunk.again(), 1);
  const Intent intent = chunk.BeginIssue(10);
  EXPECT_TRUE(intent.mark.empty());
  EXPECT_THAT(intent.retries, ElementsAre(std::pair(0, 1)));
  EXPECT_TRUE(intent.needs_commit());
  EXPECT_EQ(chunk.attempt(0), 0);
  EXPECT_THAT(actions_.forget, IsEmpty());  // Another owner might still ask about the first.
  EXPECT_EQ(chunk.Issued(intent, 1, At(kLongAgo).wall, At(absl::Seconds(2)), actions_), PositionSet({0}));
  EXPECT_EQ(chunk.attempt(0), 1);
  ASSERT_THAT(actions_.forget, SizeIs(1));
  EXPECT_EQ(actions_.forget[0].source, (CallSource{0, 0}));
  Event(chunk, 0, Of(1, Answered(200)), absl::Seconds(3), /*dispatcher=*/1);
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].state, ExecutionState::kSucceeded);
  EXPECT_THAT(actions_.sources, ElementsAre(CallSource{1, 1}));
}

TEST_F(RetryTest, TheEndOfTheLastAttemptIsTheOutcome) {
  MethodChunk chunk = MakeRetrying(FailureType::kDeviceError, 2);
  Issue(chunk, {});
  Event(chunk, 0, Answered(500), {});
  IssueAgain(chunk, absl::Minutes(1));
  Event(chunk, 0, Of(1, Answered(501)), absl::Minutes(1));
  IssueAgain(chunk, absl::Minutes(2));
  Event(chunk, 0, Of(2, Answered(502)), absl::Minutes(2));
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].device_status, 502);
  EXPECT_EQ(chunk.unfinished(), 0);
}

TEST_F(RetryTest, OnlyTheKindThatWasNamedIsTriedAgain) {
  MethodChunk chunk = MakeRetrying(FailureType::kTimedOut, 1, /*targets=*/3);
  Issue(chunk, {});
  Event(chunk, 0, Answered(500), {});
  Event(chunk, 1, Unknown(UnknownReason::kConnectionLost), {});
  Event(chunk, 2, Unknown(UnknownReason::kResponseTimeout), {});
  EXPECT_THAT(actions_.outcomes, SizeIs(2));
  EXPECT_EQ(chunk.unfinished(), 1);
}

TEST_F(RetryTest, NothingIsTriedAfterTheEndOfTheJob) {
  auto leased = Retrying(FailureType::kFailed, 3);
  auto job = std::make_shared<job_store::Job>(*leased.job);
  job->spec.execution_timeout = absl::Seconds(110);  // It started 100 s ago.
  leased.job = job;
  MethodChunk chunk(std::move(leased), options_, At({}));
  Issue(chunk, {});
  Event(chunk, 0, Unknown(UnknownReason::kConnectionLost), absl::Seconds(9.9));
  EXPECT_THAT(actions_.outcomes, SizeIs(1));
}

TEST_F(RetryTest, ALateSuccessOfAnEarlierAttemptEndsTheTarget) {
  MethodChunk chunk = MakeRetrying(FailureType::kTimedOut, 1, /*targets=*/2);
  Issue(chunk, {});
  for (const int position : {0, 1}) Event(chunk, position, Unknown(UnknownReason::kResponseTimeout), {});
  Event(chunk, 0, Answered(200), absl::Milliseconds(1));  // While it waits,
  IssueAgain(chunk, absl::Minutes(1));
  Event(chunk, 1, Answered(200), absl::Minutes(1));  // … and while the next one flies.
  ASSERT_THAT(actions_.outcomes, SizeIs(2));
  EXPECT_THAT(actions_.sources, ElementsAre(CallSource{0, 0}, CallSource{0, 0}));
  EXPECT_EQ(chunk.in_flight(), 0);
  actions_ = {};
  Event(chunk, 1, Of(1, Answered(200)), absl::Minutes(1));  // Nobody needs this any more.
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  ASSERT_THAT(actions_.forget, SizeIs(1));
  EXPECT_EQ(actions_.forget[0].source, (CallSource{0, 1}));
}

TEST_F(RetryTest, ALateFailureOfAnEarlierAttemptChangesNothing) {
  MethodChunk chunk = MakeRetrying(FailureType::kAll, 1);
  Issue(chunk, {});
  Event(chunk, 0, Unknown(UnknownReason::kEdgeLost), {});
  IssueAgain(chunk, absl::Minutes(1));
  actions_ = {};
  Event(chunk, 0, Answered(404), absl::Minutes(1));
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  EXPECT_EQ(chunk.in_flight(), 1);
  EXPECT_THAT(actions_.forget, SizeIs(1));
}

TEST_F(RetryTest, ARetryThatWasNotSentKeepsItsNumber) {
  MethodChunk chunk = MakeRetrying(FailureType::kFailed, 3);
  Issue(chunk, {});
  Event(chunk, 0, Unknown(UnknownReason::kConnectionLost), {});
  IssueAgain(chunk, absl::Minutes(1));
  Event(chunk, 0, Of(1, NotSent(NotSentReason::kOverloaded)), absl::Minutes(1));
  chunk.Tick(At(absl::Minutes(2)), actions_);
  EXPECT_FALSE(chunk.wants_clear());  // It was called before: a cancel must not say otherwise, at no time.
  const Intent intent = chunk.BeginIssue(10);
  EXPECT_TRUE(intent.mark.empty());
  EXPECT_THAT(intent.retries, ElementsAre(std::pair(0, 1)));
  chunk.Issued(intent, 0, At(kLongAgo).wall, At(absl::Minutes(2)), actions_);
  EXPECT_EQ(chunk.attempt(0), 1);
}

TEST_F(RetryTest, ANumberWhoseCommitIsUnclearIsUsedUp) {
  MethodChunk chunk = MakeRetrying(FailureType::kFailed, 2);
  Issue(chunk, {});
  Event(chunk, 0, Unknown(UnknownReason::kConnectionLost), {});
  chunk.Tick(At(absl::Minutes(1)), actions_);
  chunk.NotIssued(chunk.BeginIssue(10), /*committed=*/false);
  EXPECT_THAT(IssueAgain(chunk, absl::Minutes(2)).retries, ElementsAre(std::pair(0, 2)));
  Event(chunk, 0, Of(2, Unknown(UnknownReason::kConnectionLost)), absl::Minutes(2));
  EXPECT_THAT(actions_.outcomes, SizeIs(1));
}

TEST_F(RetryTest, ANumberThatIsCommittedButNotSentIsUsedLater) {
  MethodChunk chunk = MakeRetrying(FailureType::kFailed, 1);
  Issue(chunk, {});
  Event(chunk, 0, Unknown(UnknownReason::kConnectionLost), {});
  chunk.Tick(At(absl::Minutes(1)), actions_);
  chunk.NotIssued(chunk.BeginIssue(10), /*committed=*/true);
  EXPECT_FALSE(chunk.wants_clear());
  EXPECT_THAT(chunk.BeginIssue(10).retries, ElementsAre(std::pair(0, 1)));
  EXPECT_EQ(chunk.attempt(0), 1);
}

TEST_F(RetryTest, ADeviceThatWasNotOnlineIsWaitedForAgain) {
  MethodChunk chunk = MakeRetrying(FailureType::kNotOnline, 1);
  Issue(chunk, {});
  Event(chunk, 0, NotSent(NotSentReason::kOffline), {});
  Clear(chunk);
  chunk.Tick(At(absl::Seconds(5)), actions_);
  EXPECT_THAT(actions_.outcomes, IsEmpty());
  EXPECT_THAT(actions_.unwatch, ElementsAre(0));
  chunk.Tick(At(absl::Minutes(1)), actions_);
  EXPECT_EQ(Issue(chunk, absl::Minutes(1)), PositionSet({0}));
  EXPECT_EQ(chunk.attempt(0), 0);  // Nothing was ever sent.
  Event(chunk, 0, NotSent(NotSentReason::kOffline), absl::Minutes(1));
  Clear(chunk);
  chunk.Tick(At(absl::Minutes(1) + absl::Seconds(5)), actions_);
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].error_code, 404103);
}

TEST_F(RetryTest, NotReachedIsNeverSaidOfADeviceThatWasCalled) {
  MethodChunk chunk = MakeRetrying(FailureType::kDeviceError, 1);
  Issue(chunk, {});
  Event(chunk, 0, Answered(500), {});
  IssueAgain(chunk, absl::Minutes(1));
  Event(chunk, 0, Of(1, NotSent(NotSentReason::kOffline)), absl::Minutes(1));
  chunk.Tick(At(absl::Minutes(2)), actions_);
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].device_status, 500);
}

// The policy would wait for the device once more, but the job is over before.
TEST_F(RetryTest, NotReachedIsNotSaidEitherWhenNoTimeIsLeftForTheNextTry) {
  auto leased = Retrying(FailureType::kAll, 5);
  auto job = std::make_shared<job_store::Job>(*leased.job);
  job->spec.execution_timeout = absl::Seconds(190);  // It started 100 s ago.
  leased.job = job;
  MethodChunk chunk(std::move(leased), options_, At({}));
  Issue(chunk, {});
  Event(chunk, 0, Answered(500), {});
  IssueAgain(chunk, absl::Minutes(1));
  Event(chunk, 0, Of(1, NotSent(NotSentReason::kOffline)), absl::Minutes(1));
  chunk.Tick(At(absl::Seconds(89.9)), actions_);
  ASSERT_THAT(actions_.outcomes, SizeIs(1));
  EXPECT_EQ(actions_.outcomes[0].device_status, 500);
}

TEST_F(RetryTest, TheNextOwnerAsksAboutTheLatestAttempt) {
  auto leased = Retrying(FailureType::kTimedOut, 3);
  leased.pending = {};
  leased.in_flight = {0};
  leased.retries = {{0, 2}};
  leased.last_issue_time = At(-absl::Seconds(20)).wall;
  MethodChunk chunk(std::move(leased), options_, At({}));
  EXPECT_EQ(chunk.attempt(0), 2);
  EXPECT_EQ(chunk.issued(), 1);
  EXPECT_THAT(chunk.TakeQuestions(0, At(absl::Seconds(2))), ElementsAre(0));
  chunk.OnKnowledge(0, 0, Knowledge::kFinished, At(kLongAgo).wall, At(absl::Seconds(2)), actions_);
  Event(chunk, 0, Of(2, Unknown(UnknownReason::kResponseTimeout)), absl::Seconds(2));
  EXPECT_THAT(IssueAgain(chunk, absl::Minutes(1)).retries, ElementsAre(std::pair(0, 3)));
}

TEST_F(RetryTest, ACalledTargetIsNotTakenBackWhenTheChunkIsLost) {
  MethodChunk chunk = MakeRetrying(FailureType::kFailed, 2, /*targets=*/2);
  Issue(chunk, {});
  for (const int position : {0, 1}) Event(chunk, position, Unknown(UnknownReason::kConnectionLost), {});
  chunk.Tick(At(absl::Minutes(1)), actions_);
  const Intent intent = chunk.BeginIssue(1);
  chunk.Lose(actions_);
  chunk.NotIssued(intent, /*committed=*/true);
  EXPECT_FALSE(chunk.wants_clear());
  chunk.Judge(/*job_is_over=*/true, actions_);
  EXPECT_THAT(actions_.outcomes, SizeIs(2));
  EXPECT_TRUE(chunk.drained());
}

TEST_F(RetryTest, ALostChunkLeavesRetriesToTheNextOwnerUnlessTheJobIsOver) {
  for (const bool is_over : {false, true}) {
    MethodChunk chunk = MakeRetrying(FailureType::kFailed, 1, /*targets=*/2);
    actions_ = {};
    Issue(chunk, {});
    Event(chunk, 0, Unknown(UnknownReason::kConnectionLost), {});
    chunk.Lose(actions_);
    Event(chunk, 1, Unknown(UnknownReason::kConnectionLost), {});
    EXPECT_THAT(actions_.outcomes, IsEmpty());
    EXPECT_TRUE(chunk.wants_verdict());
    EXPECT_FALSE(chunk.drained());
    chunk.Judge(is_over, actions_);
    EXPECT_THAT(actions_.outcomes, SizeIs(is_over ? 2 : 0));
    EXPECT_TRUE(chunk.drained());
  }
}

}  // namespace
}  // namespace fleetcast::scheduler
