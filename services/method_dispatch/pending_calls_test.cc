#include "services/method_dispatch/pending_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/model/reasons.h"

namespace fleetcast::method_dispatch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kSeed = 0xa0;
constexpr CallId kFirstId = 0xa0ffff;  // Of the first direct call.
constexpr DirectToken kToken = 7;
constexpr SchedulerStream kStream = 1;
constexpr SchedulerStream kOtherStream = 2;
constexpr int64_t kEpoch = (int64_t{1} << 40) + 5;

CallOutcome SentTo(int64_t epoch) {
  pb::Sent sent;
  sent.set_session_epoch(epoch);
  return sent;
}

CallOutcome NotSentFor(pb::NotSentReason reason) {
  pb::NotSent not_sent;
  not_sent.set_reason(reason);
  return not_sent;
}

CallOutcome AnswerFrom(int64_t epoch, int status = 200) {
  pb::Answer answer;
  answer.set_device_status(status);
  answer.set_payload("{}");
  answer.set_session_epoch(epoch);
  return answer;
}

// An answer at QoS 1, of a connection with number 7.
CallOutcome WaitingAnswerFrom(int64_t epoch) {
  CallOutcome outcome = AnswerFrom(epoch);
  std::get<pb::Answer>(outcome).set_waiting_session(7);
  return outcome;
}

CallOutcome UnknownFor(pb::UnknownReason reason) {
  pb::Unknown unknown;
  unknown.set_reason(reason);
  return unknown;
}

// A core with a hand-driven clock, and shorthands for what happens to it.
class PendingCallsTest : public ::testing::Test {
 protected:
  Now At(double seconds) const { return {absl::Seconds(seconds), kStart + absl::Seconds(seconds)}; }

  absl::Status Direct(double at, double connect, double response, DirectToken token = kToken) {
    return calls_.StartDirect(At(at), token,
                              {.device_id = "dev-1",
                               .request = request_,
                               .connect_timeout = absl::Seconds(connect),
                               .response_timeout = absl::Seconds(response)},
                              actions_ = {});
  }
  Actions& Event(double at, CallId id, CallOutcome outcome) {
    calls_.OnEvent(At(at), kDelivery, id, std::move(outcome), actions_ = {});
    return actions_;
  }
  Actions& Acknowledge(int64_t position) {
    calls_.Acknowledge({3, position, 0}, actions_ = {});
    return actions_;
  }
  Actions& Ready(double at) {
    calls_.OnReady(At(at), "dev-1", actions_ = {});
    return actions_;
  }
  Actions& Time(double at) {
    calls_.OnTime(At(at), actions_ = {});
    return actions_;
  }
  Actions& JobCall(double at, int64_t position, const std::string& device = "dev-1", SchedulerStream stream = kStream) {
    const JobBatch batch = {.job_seq = 3,
                            .request = request_,
                            .response_timeout = absl::Seconds(30),
                            .permit_expire = kStart + absl::Seconds(at + 1)};
    calls_.StartJobCall(At(at), stream, batch, {.position = position, .device_id = device}, actions_ = {});
    if (!actions_.deliver.empty()) last_job_call_ = actions_.deliver[0].call;
    return actions_;
  }
  Actions& Recover(int64_t position, SchedulerStream stream) {
    calls_.Recover(stream, {3, position, 0}, actions_ = {});
    return actions_;
  }

  static constexpr DeliveryIndex kDelivery = 2;
  static constexpr absl::Time kStart = absl::UnixEpoch();
  SharedRequest request_ = std::make_shared<pb::MethodRequest>();
  PendingLimits limits_ = {
      .calls_max = 20, .calls_per_device_max = 2, .results_max = 3, .ended_max = 2, .watched_devices_max = 2};
  CallId last_job_call_ = 0;
  PendingCalls calls_{limits_, kSeed, At(0)};
  Actions actions_;
};

TEST_F(PendingCallsTest, DeliversADirectCallWithAPermitOfOneSecond) {
  ASSERT_TRUE(Direct(0, 0, 30).ok());
  ASSERT_THAT(actions_.deliver, SizeIs(1));
  EXPECT_EQ(actions_.deliver[0].call, kFirstId);
  EXPECT_EQ(actions_.deliver[0].permit_expire, kStart + absl::Seconds(1));
  EXPECT_EQ(actions_.deliver[0].answer_deadline, kStart + absl::Seconds(30));
}

TEST_F(PendingCallsTest, TheDevicesAnswerEndsTheCall) {
  ASSERT_TRUE(Direct(0, 0, 30).ok());
  EXPECT_THAT(Event(0.1, kFirstId, SentTo(kEpoch)).replies, IsEmpty());
  ASSERT_THAT(Event(0.2, kFirstId, AnswerFrom(kEpoch, 501)).replies, SizeIs(1));
  EXPECT_EQ(actions_.replies[0].token, kToken);
  EXPECT_TRUE(actions_.replies[0].status.ok());
  EXPECT_EQ(actions_.replies[0].answer.device_status(), 501);
  EXPECT_EQ(calls_.call_count(), 0u);
  EXPECT_EQ(calls_.NextDeadline(), absl::InfiniteDuration());
}

TEST_F(PendingCallsTest, AnAnswerThatOvertakesItsSentCounts) {
  ASSERT_TRUE(Direct(0, 0, 30).ok());
  EXPECT_THAT(Event(0.1, kFirstId, AnswerFrom(kEpoch)).replies, SizeIs(1));
}

TEST_F(PendingCallsTest, AnAnswerFromAnotherSessionIsRefused) {
  ASSERT_TRUE(Direct(0, 0, 30).ok());
  Event(0.1, kFirstId, SentTo(kEpoch));
  EXPECT_THAT(Event(0.2, kFirstId, AnswerFrom(kEpoch + 1)).replies, IsEmpty());
  EXPECT_EQ(calls_.counts().fenced_answers, 1);
  EXPECT_THAT(Event(0.3, kFirstId, AnswerFrom(kEpoch)).replies, SizeIs(1));
}

TEST_F(PendingCallsTest, ASecondAnswerIsCountedAndIgnored) {
  ASSERT_TRUE(Direct(0, 0, 30).ok());
  Event(0.1, kFirstId, AnswerFrom(kEpoch));
  EXPECT_THAT(Event(0.2, kFirstId, AnswerFrom(kEpoch)).replies, IsEmpty());
  EXPECT_EQ(calls_.counts().late_events, 1);
}

TEST_F(PendingCallsTest, OfflineWithoutConnectTimeoutFailsAtOnce) {
  for (const auto reason : {pb::NOT_SENT_REASON_OFFLINE, pb::NOT_SENT_REASON_NOT_SUBSCRIBED}) {
    ASSERT_TRUE(Direct(0, 0, 30).ok());
    ASSERT_THAT(Event(0.1, actions_.deliver[0].call, NotSentFor(reason)).replies, SizeIs(1));
    EXPECT_EQ(GetReason(actions_.replies[0].status), reasons::kDeviceNotOnline);
    EXPECT_THAT(actions_.watch, IsEmpty());
  }
}

TEST_F(PendingCallsTest, NotSentReasonsReachTheCaller) {
  const std::pair<pb::NotSentReason, std::string_view> cases[] = {
      {pb::NOT_SENT_REASON_DEVICE_NOT_FOUND, reasons::kDeviceNotFound},
      {pb::NOT_SENT_REASON_DEVICE_DISABLED, reasons::kDeviceNotOnline},
      {pb::NOT_SENT_REASON_BUSY, reasons::kTooManyInFlight},
      {pb::NOT_SENT_REASON_TOO_LARGE, reasons::kPayloadTooLarge},
  };
  for (const auto& [not_sent, reason] : cases) {
    ASSERT_TRUE(Direct(0, 10, 30).ok());
    ASSERT_THAT(Event(0.1, actions_.deliver[0].call, NotSentFor(not_sent)).replies, SizeIs(1));
    EXPECT_EQ(GetReason(actions_.replies[0].status), reason);
  }
}

TEST_F(PendingCallsTest, WaitsForTheDeviceAndDeliversAgainWhenItIsReady) {
  ASSERT_TRUE(Direct(0, 10, 30).ok());
  EXPECT_THAT(Event(0.1, kFirstId, NotSentFor(pb::NOT_SENT_REASON_OFFLINE)).watch, ElementsAre("dev-1"));
  ASSERT_THAT(Ready(5).deliver, SizeIs(1));
  EXPECT_EQ(actions_.deliver[0].permit_expire, kStart + absl::Seconds(6));
  EXPECT_EQ(actions_.deliver[0].answer_deadline, kStart + absl::Seconds(30));
  EXPECT_THAT(actions_.unwatch, ElementsAre("dev-1"));
  EXPECT_THAT(Event(5.1, kFirstId + 0x10000, AnswerFrom(kEpoch)).replies, SizeIs(1));
}

TEST_F(PendingCallsTest, FailsExactlyAtTheConnectTimeout) {
  ASSERT_TRUE(Direct(0, 10, 30).ok());
  Event(0.1, kFirstId, NotSentFor(pb::NOT_SENT_REASON_OFFLINE));
  EXPECT_EQ(calls_.NextDeadline(), absl::Seconds(10));
  EXPECT_THAT(Time(9.999).replies, IsEmpty());
  ASSERT_THAT(Time(10).replies, SizeIs(1));
  EXPECT_EQ(GetReason(actions_.replies[0].status), reasons::kDeviceNotOnline);
  EXPECT_THAT(actions_.unwatch, ElementsAre("dev-1"));
}

TEST_F(PendingCallsTest, GoesOnWaitingWhenTheDeviceIsGoneAgain) {
  ASSERT_TRUE(Direct(0, 10, 30).ok());
  Event(0.1, kFirstId, NotSentFor(pb::NOT_SENT_REASON_OFFLINE));
  Ready(5);
  EXPECT_THAT(Event(5.1, kFirstId + 0x10000, NotSentFor(pb::NOT_SENT_REASON_OFFLINE)).watch, ElementsAre("dev-1"));
  EXPECT_EQ(calls_.NextDeadline(), absl::Seconds(10));
}

TEST_F(PendingCallsTest, TheResponseTimeoutCoversTheConnectWait) {
  ASSERT_TRUE(Direct(0, 30, 30).ok());
  Event(0.1, kFirstId, NotSentFor(pb::NOT_SENT_REASON_OFFLINE));
  Ready(20);
  Event(20.1, kFirstId, SentTo(kEpoch));
  EXPECT_THAT(Time(29.999).replies, IsEmpty());
  ASSERT_THAT(Time(30).replies, SizeIs(1));
  EXPECT_EQ(GetReason(actions_.replies[0].status), reasons::kResponseTimeout);
}

TEST_F(PendingCallsTest, ACallThatNobodyReportedOnTimesOutAsPossiblySent) {
  ASSERT_TRUE(Direct(0, 0, 5).ok());
  ASSERT_THAT(Time(5).replies, SizeIs(1));
  EXPECT_EQ(GetReason(actions_.replies[0].status), reasons::kResponseTimeout);
}

TEST_F(PendingCallsTest, AFailedWayIsTriedAgainAFewTimes) {
  ASSERT_TRUE(Direct(0, 0, 30).ok());
  for (int i = 0; i < limits_.redeliveries_max; ++i) {
    const CallId id = actions_.deliver[0].call;
    ASSERT_THAT(Event(0.1, id, NotSentFor(pb::NOT_SENT_REASON_STALE_ROUTE)).deliver, SizeIs(1));
  }
  const CallId last = actions_.deliver[0].call;
  ASSERT_THAT(Event(0.1, last, NotSentFor(pb::NOT_SENT_REASON_OVERLOADED)).replies, SizeIs(1));
  EXPECT_EQ(GetReason(actions_.replies[0].status), reasons::kServerBusy);
}

// M1: an edge repeats its reports after a lost stream, also when the next delivery is under way already.
TEST_F(PendingCallsTest, ARepeatedNotSentIsNoProofAboutTheNextDelivery) {
  ASSERT_TRUE(Direct(0, 0, 30).ok());
  const CallId first = actions_.deliver[0].call;
  ASSERT_THAT(Event(0.1, first, NotSentFor(pb::NOT_SENT_REASON_STALE_ROUTE)).deliver, SizeIs(1));
  const CallId second = actions_.deliver[0].call;
  EXPECT_NE(first, second);
  EXPECT_THAT(Event(0.2, first, NotSentFor(pb::NOT_SENT_REASON_STALE_ROUTE)).deliver, IsEmpty());
  EXPECT_THAT(Event(0.3, second, AnswerFrom(kEpoch)).replies, SizeIs(1));
}

TEST_F(PendingCallsTest, ALostConnectionIsToldAtOnceAndNeverRetried) {
  ASSERT_TRUE(Direct(0, 10, 30).ok());
  Event(0.1, kFirstId, SentTo(kEpoch));
  ASSERT_THAT(Event(0.2, kFirstId, UnknownFor(pb::UNKNOWN_REASON_CONNECTION_LOST)).replies, SizeIs(1));
  EXPECT_EQ(GetReason(actions_.replies[0].status), reasons::kConnectionClosed);
  EXPECT_THAT(actions_.deliver, IsEmpty());
}

TEST_F(PendingCallsTest, NotSentAfterSentIsNoProof) {
  ASSERT_TRUE(Direct(0, 10, 30).ok());
  Event(0.1, kFirstId, SentTo(kEpoch));
  Event(0.2, kFirstId, NotSentFor(pb::NOT_SENT_REASON_OFFLINE));
  EXPECT_THAT(actions_.deliver, IsEmpty());
  EXPECT_THAT(actions_.watch, IsEmpty());
  EXPECT_EQ(calls_.call_count(), 1u);
}

TEST_F(PendingCallsTest, LimitsTheCallsInFlightPerDevice) {
  ASSERT_TRUE(Direct(0, 0, 30, 1).ok());
  ASSERT_TRUE(Direct(0, 0, 30, 2).ok());
  EXPECT_EQ(GetReason(Direct(0, 0, 30, 3)), reasons::kTooManyInFlight);
  Event(0.1, kFirstId, AnswerFrom(kEpoch));
  EXPECT_TRUE(Direct(0, 0, 30, 4).ok());
}

TEST_F(PendingCallsTest, AnAbandonedWaitingCallIsTakenBack) {
  ASSERT_TRUE(Direct(0, 10, 30).ok());
  Event(0.1, kFirstId, NotSentFor(pb::NOT_SENT_REASON_OFFLINE));
  calls_.AbandonDirect(kToken, actions_ = {});
  EXPECT_THAT(actions_.unwatch, ElementsAre("dev-1"));
  EXPECT_EQ(calls_.call_count(), 0u);
  EXPECT_THAT(Ready(1).deliver, IsEmpty());
}

TEST_F(PendingCallsTest, AnAbandonedSentCallEndsWithoutAReply) {
  ASSERT_TRUE(Direct(0, 10, 30).ok());
  Event(0.1, kFirstId, SentTo(kEpoch));
  calls_.AbandonDirect(kToken, actions_ = {});
  EXPECT_EQ(calls_.call_count(), 1u);
  EXPECT_THAT(Event(0.2, kFirstId, AnswerFrom(kEpoch)).replies, IsEmpty());
  EXPECT_EQ(calls_.call_count(), 0u);
}

TEST_F(PendingCallsTest, AJobCallKeepsThePermitOfItsBatch) {
  ASSERT_THAT(JobCall(2, 10).deliver, SizeIs(1));
  EXPECT_EQ(actions_.deliver[0].permit_expire, kStart + absl::Seconds(3));
  EXPECT_EQ(actions_.deliver[0].answer_deadline, kStart + absl::Seconds(33));
}

TEST_F(PendingCallsTest, AJobCallWithAnExpiredPermitIsNotSent) {
  const JobBatch batch = {.job_seq = 3,
                          .request = request_,
                          .response_timeout = absl::Seconds(30),
                          .permit_expire = kStart + absl::Seconds(1)};
  calls_.StartJobCall(At(1), kStream, batch, {.position = 1, .device_id = "dev-1"}, actions_ = {});
  ASSERT_THAT(actions_.events, SizeIs(1));
  EXPECT_EQ(std::get<pb::NotSent>(actions_.events[0].outcome).reason(), pb::NOT_SENT_REASON_PERMIT_EXPIRED);
}

TEST_F(PendingCallsTest, AJobCallWhosePermitLastsTooLongIsNotSent) {
  const JobBatch batch = {.job_seq = 3,
                          .request = request_,
                          .response_timeout = absl::Seconds(30),
                          .permit_expire = kStart + absl::Seconds(91)};  // Of a clock that is 90 s ahead.
  calls_.StartJobCall(At(0), kStream, batch, {.position = 1, .device_id = "dev-1"}, actions_ = {});
  EXPECT_THAT(actions_.deliver, IsEmpty());
  ASSERT_THAT(actions_.events, SizeIs(1));
  EXPECT_EQ(std::get<pb::NotSent>(actions_.events[0].outcome).reason(), pb::NOT_SENT_REASON_PERMIT_EXPIRED);
}

TEST_F(PendingCallsTest, TheEventsOfAJobCallGoToItsStream) {
  JobCall(0, 10);
  ASSERT_THAT(Event(0.1, last_job_call_, SentTo(kEpoch)).events, SizeIs(1));
  EXPECT_EQ(actions_.events[0].stream, kStream);
  EXPECT_EQ(actions_.events[0].key, (ExecutionKey{3, 10, 0}));
  ASSERT_THAT(Event(0.2, last_job_call_, AnswerFrom(kEpoch)).events, SizeIs(1));
  EXPECT_EQ(std::get<pb::Answer>(actions_.events[0].outcome).device_status(), 200);
}

TEST_F(PendingCallsTest, AJobsResponseTimeoutRunsFromSent) {
  JobCall(0, 10);
  EXPECT_EQ(calls_.NextDeadline(), absl::Seconds(31));
  Event(0.5, last_job_call_, SentTo(kEpoch));
  EXPECT_EQ(calls_.NextDeadline(), absl::Seconds(30.5));
  ASSERT_THAT(Time(30.5).events, SizeIs(1));
  EXPECT_EQ(std::get<pb::Unknown>(actions_.events[0].outcome).reason(), pb::UNKNOWN_REASON_RESPONSE_TIMEOUT);
}

TEST_F(PendingCallsTest, AJobCallThatIsNotSentIsLeftToTheScheduler) {
  JobCall(0, 10);
  ASSERT_THAT(Event(0.1, last_job_call_, NotSentFor(pb::NOT_SENT_REASON_OFFLINE)).events, SizeIs(1));
  EXPECT_THAT(actions_.watch, IsEmpty());
  EXPECT_THAT(actions_.deliver, IsEmpty());
  EXPECT_EQ(calls_.call_count(), 0u);
}

TEST_F(PendingCallsTest, AJobCallThatWasNotSentMayBeIssuedAgain) {
  JobCall(0, 10);
  Event(0.1, last_job_call_, NotSentFor(pb::NOT_SENT_REASON_OFFLINE));
  ASSERT_THAT(Recover(10, kStream).recovered, SizeIs(1));
  EXPECT_EQ(actions_.recovered[0].knowledge, Actions::Knowledge::kNotSeen);
  EXPECT_THAT(JobCall(5, 10).deliver, SizeIs(1));
}

TEST_F(PendingCallsTest, ARepeatedJobCallIsNotDeliveredTwice) {
  JobCall(0, 10);
  EXPECT_THAT(JobCall(0.1, 10).deliver, IsEmpty());
  Event(0.2, last_job_call_, AnswerFrom(kEpoch));
  ASSERT_THAT(JobCall(0.3, 10).events, SizeIs(1));
  EXPECT_THAT(actions_.deliver, IsEmpty());
  EXPECT_THAT(actions_.recovered, IsEmpty());
}

TEST_F(PendingCallsTest, ANewSchedulerRecoversAPendingCall) {
  JobCall(0, 10);
  Event(0.1, last_job_call_, SentTo(kEpoch));
  calls_.OnSchedulerGone(kStream, actions_ = {});
  ASSERT_THAT(Recover(10, kOtherStream).recovered, SizeIs(1));
  EXPECT_EQ(actions_.recovered[0].knowledge, Actions::Knowledge::kPending);
  ASSERT_THAT(actions_.events, SizeIs(1));
  EXPECT_EQ(std::get<pb::Sent>(actions_.events[0].outcome).session_epoch(), kEpoch);
  ASSERT_THAT(Event(0.2, last_job_call_, AnswerFrom(kEpoch)).events, SizeIs(1));
  EXPECT_EQ(actions_.events[0].stream, kOtherStream);
}

TEST_F(PendingCallsTest, ANewSchedulerRecoversAnEndThatNobodyRecorded) {
  JobCall(0, 10);
  calls_.OnSchedulerGone(kStream, actions_ = {});
  EXPECT_THAT(Event(0.2, last_job_call_, AnswerFrom(kEpoch)).events, IsEmpty());
  ASSERT_THAT(Recover(10, kOtherStream).recovered, SizeIs(1));
  EXPECT_EQ(actions_.recovered[0].knowledge, Actions::Knowledge::kFinished);
  EXPECT_THAT(actions_.events, SizeIs(1));
}

TEST_F(PendingCallsTest, AnAcknowledgedEndIsForgotten) {
  JobCall(0, 10);
  Event(0.2, last_job_call_, AnswerFrom(kEpoch));
  EXPECT_EQ(calls_.result_count(), 1u);
  calls_.Acknowledge({3, 10, 0}, actions_ = {});
  EXPECT_EQ(calls_.result_count(), 0u);
  ASSERT_THAT(Recover(10, kStream).recovered, SizeIs(1));
  EXPECT_EQ(actions_.recovered[0].knowledge, Actions::Knowledge::kNotSeen);
}

TEST_F(PendingCallsTest, M5AJobsAnswerIsTakenWhenItsEndIsAcknowledged) {
  JobCall(0, 10);
  EXPECT_THAT(Event(0.2, last_job_call_, WaitingAnswerFrom(kEpoch)).taken, IsEmpty());
  EXPECT_THAT(actions_.events, SizeIs(1));
  EXPECT_THAT(Acknowledge(10).taken, ElementsAre(WaitingAnswer{kDelivery, last_job_call_, 7}));
  EXPECT_THAT(Acknowledge(10).taken, IsEmpty());
}

TEST_F(PendingCallsTest, AnAnswerAtQos0IsNeverTaken) {
  JobCall(0, 10);
  EXPECT_THAT(Event(0.2, last_job_call_, AnswerFrom(kEpoch)).taken, IsEmpty());
  EXPECT_THAT(Acknowledge(10).taken, IsEmpty());
  EXPECT_THAT(Event(0.3, last_job_call_, AnswerFrom(kEpoch)).taken, IsEmpty());
}

TEST_F(PendingCallsTest, ARepeatedReportDoesNotTakeAnAnswerThatIsNotRecorded) {
  JobCall(0, 10);
  Event(0.2, last_job_call_, WaitingAnswerFrom(kEpoch));
  EXPECT_THAT(Event(0.3, last_job_call_, WaitingAnswerFrom(kEpoch)).taken, IsEmpty());
  Acknowledge(10);
  EXPECT_THAT(Event(0.4, last_job_call_, WaitingAnswerFrom(kEpoch)).taken, SizeIs(1));
}

TEST_F(PendingCallsTest, ADirectCallsAnswerIsTakenWithItsReply) {
  ASSERT_TRUE(Direct(0, 0, 30).ok());
  Event(0.1, kFirstId, WaitingAnswerFrom(kEpoch));
  EXPECT_THAT(actions_.replies, SizeIs(1));
  EXPECT_THAT(actions_.taken, ElementsAre(WaitingAnswer{kDelivery, kFirstId, 7}));
}

TEST_F(PendingCallsTest, ALateAnswerIsTakenAtOnceOnlyByWhoeverStartedTheCall) {
  JobCall(0, 10);
  Time(40);
  EXPECT_THAT(Event(41, last_job_call_, WaitingAnswerFrom(kEpoch)).taken, SizeIs(1));
  PendingCalls other{limits_, kSeed, At(0)};
  Actions actions;
  other.OnEvent(At(41), kDelivery, last_job_call_, WaitingAnswerFrom(kEpoch), actions);
  EXPECT_THAT(actions.taken, IsEmpty());
}

TEST_F(PendingCallsTest, OnlyTheLastEndedCallsAreRemembered) {
  JobCall(0, 1, "dev-1");
  const CallId oldest = last_job_call_;
  Event(0.1, oldest, UnknownFor(pb::UNKNOWN_REASON_CONNECTION_LOST));
  JobCall(0.2, 2, "dev-2");
  Event(0.3, last_job_call_, UnknownFor(pb::UNKNOWN_REASON_CONNECTION_LOST));
  EXPECT_THAT(Event(0.4, oldest, WaitingAnswerFrom(kEpoch)).taken, SizeIs(1));
  JobCall(0.5, 3, "dev-3");
  Event(0.6, last_job_call_, UnknownFor(pb::UNKNOWN_REASON_CONNECTION_LOST));
  EXPECT_THAT(Event(0.7, oldest, WaitingAnswerFrom(kEpoch)).taken, IsEmpty());
  EXPECT_THAT(Event(0.8, last_job_call_, WaitingAnswerFrom(kEpoch)).taken, SizeIs(1));
}

TEST_F(PendingCallsTest, AFencedAnswerIsTakenAtOnce) {
  JobCall(0, 10);
  Event(0.1, last_job_call_, SentTo(kEpoch));
  EXPECT_THAT(Event(0.2, last_job_call_, WaitingAnswerFrom(kEpoch + 1)).taken, SizeIs(1));
  EXPECT_THAT(actions_.events, IsEmpty());
  EXPECT_EQ(calls_.call_count(), 1u);
}

TEST_F(PendingCallsTest, RefusesNewJobCallsRatherThanForgettingEnds) {
  for (int64_t i = 0; i < 3; ++i) {
    JobCall(0, i, "dev-" + std::to_string(i));
    Event(0.1, actions_.deliver[0].call, AnswerFrom(kEpoch));
  }
  ASSERT_THAT(JobCall(0.2, 9, "dev-9").events, SizeIs(1));
  EXPECT_EQ(std::get<pb::NotSent>(actions_.events[0].outcome).reason(), pb::NOT_SENT_REASON_OVERLOADED);
  calls_.Acknowledge({3, 0, 0}, actions_ = {});
  EXPECT_THAT(JobCall(0.3, 9, "dev-9").deliver, SizeIs(1));
}

TEST_F(PendingCallsTest, ForgettingAnOldEndMovesTheBeginOfItsMemory) {
  JobCall(5, 1, "dev-1");
  Event(6, last_job_call_, AnswerFrom(kEpoch));
  EXPECT_EQ(calls_.memory_begin(), kStart);
  const double later = 6 + 24 * 3600;
  JobCall(later, 2, "dev-2");
  Event(later, last_job_call_, AnswerFrom(kEpoch));
  EXPECT_EQ(calls_.memory_begin(), kStart + absl::Seconds(5));
  EXPECT_EQ(calls_.counts().expired_results, 1);
}

TEST_F(PendingCallsTest, TellsEachWatchingSchedulerOnce) {
  calls_.Watch(kStream, "dev-1", actions_ = {});
  EXPECT_THAT(actions_.watch, ElementsAre("dev-1"));
  calls_.Watch(kOtherStream, "dev-1", actions_ = {});
  calls_.Watch(kStream, "dev-1", actions_ = {});
  EXPECT_THAT(Ready(1).ready, UnorderedElementsAre(std::pair(kStream, "dev-1"), std::pair(kOtherStream, "dev-1")));
  EXPECT_THAT(Ready(2).ready, IsEmpty());
}

TEST_F(PendingCallsTest, StopsWatchingWhenTheLastWatcherLeaves) {
  calls_.Watch(kStream, "dev-1", actions_ = {});
  calls_.Watch(kOtherStream, "dev-1", actions_ = {});
  calls_.Unwatch(kStream, "dev-1", actions_ = {});
  EXPECT_THAT(actions_.unwatch, IsEmpty());
  EXPECT_THAT(calls_.WatchedDevices(), ElementsAre("dev-1"));
  calls_.OnSchedulerGone(kOtherStream, actions_ = {});
  EXPECT_THAT(actions_.unwatch, ElementsAre("dev-1"));
  EXPECT_THAT(calls_.WatchedDevices(), IsEmpty());
}

TEST_F(PendingCallsTest, WhatIsIssuedAgainGetsAnotherIdOfTheSameFamily) {
  JobCall(0, 10);
  const CallId first = last_job_call_;
  Event(0.1, first, NotSentFor(pb::NOT_SENT_REASON_OFFLINE));
  JobCall(5, 10);
  EXPECT_NE(last_job_call_, first);
  EXPECT_EQ(last_job_call_ >> 16, first >> 16);
  EXPECT_THAT(Event(5.1, first, NotSentFor(pb::NOT_SENT_REASON_OFFLINE)).events, IsEmpty());  // Said again, late.
  EXPECT_EQ(calls_.call_count(), 1u);
}

TEST_F(PendingCallsTest, AttemptsOfOneTargetDoNotMixUp) {
  const JobBatch batch = {.job_seq = 3,
                          .request = request_,
                          .response_timeout = absl::Seconds(30),
                          .permit_expire = kStart + absl::Seconds(1)};
  JobCall(0, 10);
  const CallId first = last_job_call_;
  Event(0.1, first, AnswerFrom(kEpoch, 500));
  calls_.StartJobCall(At(0.2), kStream, batch, {.position = 10, .attempt = 1, .device_id = "dev-1"}, actions_ = {});
  ASSERT_THAT(actions_.deliver, SizeIs(1));  // Not the end of the first one again.
  EXPECT_EQ(actions_.deliver[0].call >> 16, first >> 16);
  Event(0.3, actions_.deliver[0].call, AnswerFrom(kEpoch, 200));
  ASSERT_THAT(actions_.events, SizeIs(1));
  EXPECT_EQ(actions_.events[0].key, (ExecutionKey{3, 10, 1}));
  EXPECT_EQ(calls_.result_count(), 2u);
  calls_.Acknowledge({3, 10, 0}, actions_ = {});
  EXPECT_EQ(calls_.result_count(), 1u);
}

TEST_F(PendingCallsTest, ARefusedWatchIsToldToItsSchedulersAndForgotten) {
  calls_.Watch(kStream, "dev-1", actions_ = {});
  calls_.Watch(kOtherStream, "dev-1", actions_ = {});
  calls_.OnWatchRefused("dev-1", actions_ = {});
  EXPECT_THAT(actions_.watch_refused,
              UnorderedElementsAre(std::pair(kStream, "dev-1"), std::pair(kOtherStream, "dev-1")));
  EXPECT_THAT(actions_.unwatch, ElementsAre("dev-1"));  // Another device_connection may have taken it.
  EXPECT_THAT(Ready(1).ready, IsEmpty());
  calls_.Watch(kStream, "dev-1", actions_ = {});
  EXPECT_THAT(Ready(2).ready, ElementsAre(std::pair(kStream, "dev-1")));
}

TEST_F(PendingCallsTest, BoundsTheWatchedDevices) {
  for (const char* device : {"a", "b", "c"}) calls_.Watch(kStream, device, actions_ = {});
  EXPECT_THAT(actions_.watch_refused, ElementsAre(std::pair(kStream, "c")));
  EXPECT_THAT(calls_.WatchedDevices(), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(calls_.counts().refused_watches, 1);
}

TEST_F(PendingCallsTest, WhatCannotBeADeviceIdIsNotWatched) {
  const std::string endless(1'000, 'x');
  calls_.Watch(kStream, endless, actions_);
  EXPECT_THAT(actions_.watch_refused, ElementsAre(std::pair(kStream, endless)));
  EXPECT_THAT(calls_.WatchedDevices(), IsEmpty());
}

}  // namespace
}  // namespace fleetcast::method_dispatch
