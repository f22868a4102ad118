// PUBACKs of method answers: after the answer is taken, in the order of the packets (M5, D-PUB-1, D-ORD-1, D-FL-1).
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using Kind = CallReport::Kind;

// A connected device with calls 1 to `calls` written to it.
class PubacksTest : public ::testing::Test {
 protected:
  void Start(uint64_t calls) {
    harness_.ConnectWith(kMethodsBit | kTwinResponsesBit);
    for (uint64_t id = 1; id <= calls; ++id) harness_.Call(harness_.NewCall(id));
    harness_.TakeOutput();
    harness_.hub().reports.clear();
  }
  void Answer(uint64_t call_id, int qos, uint16_t packet_id) {
    harness_.Publish("$iothub/methods/res/200/?$rid=" + mqtt::FormatCallId(call_id), "{}", qos, packet_id);
  }
  void Telemetry(uint16_t packet_id) { harness_.Publish("devices/dev-1/messages/events/", "x", 1, packet_id); }
  void Taken(uint64_t call_id) {
    harness_.In([&](Connection& connection, Turn& turn) { connection.OnAnswerTaken(call_id, turn); });
  }

  Harness harness_;
};

TEST_F(PubacksTest, M5AnswerAtQos1IsAcknowledgedWhenItIsTaken) {
  Start(1);
  Answer(1, 1, 77);
  EXPECT_EQ(harness_.TakeOutput(), "");
  ASSERT_EQ(harness_.hub().reports.size(), 1u);
  EXPECT_EQ(harness_.hub().reports[0].kind, Kind::kAnswer);
  EXPECT_TRUE(harness_.hub().reports[0].waits);
  EXPECT_TRUE(harness_.connection().is_busy());
  Taken(1);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(77));
  EXPECT_FALSE(harness_.connection().is_busy());
}

TEST_F(PubacksTest, AnswerAtQos0DoesNotWait) {
  Start(1);
  Answer(1, 0, 0);
  ASSERT_EQ(harness_.hub().reports.size(), 1u);
  EXPECT_FALSE(harness_.hub().reports[0].waits);
  EXPECT_FALSE(harness_.connection().is_busy());
}

TEST_F(PubacksTest, DOrd1PubacksStayInTheOrderOfThePackets) {
  Start(2);
  Telemetry(1);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(1));
  Answer(1, 1, 2);
  Telemetry(3);
  Answer(2, 1, 4);
  Telemetry(5);
  Taken(2);
  EXPECT_EQ(harness_.TakeOutput(), "");
  Taken(1);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(2) + PubackOf(3) + PubackOf(4) + PubackOf(5));
  Telemetry(6);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(6));
}

TEST_F(PubacksTest, TwinRequestsGoOnBehindAnAnswerThatWaits) {
  Start(1);
  Answer(1, 1, 2);
  harness_.Publish("$iothub/twin/GET/?$rid=r", "", 1, 3);
  EXPECT_THAT(harness_.hub().reads, ::testing::ElementsAre("r"));
  harness_.TwinRead("r", 200, "{}", 1);
  EXPECT_EQ(harness_.TakeOutput(), TwinResponse(200, "r", std::nullopt, "{}"));
  Taken(1);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(2) + PubackOf(3));
}

TEST_F(PubacksTest, DFl1SixteenUnacknowledgedThenNothingIsRead) {
  Start(1);
  Answer(1, 1, 1);
  for (uint16_t id = 2; id <= 16; ++id) Telemetry(id);
  EXPECT_FALSE(harness_.connection().wants_read());
  Telemetry(17);  // Was on its way; held back.
  EXPECT_EQ(harness_.TakeOutput(), "");
  Taken(1);
  std::string all;
  for (uint16_t id = 1; id <= 17; ++id) all += PubackOf(id);
  EXPECT_EQ(harness_.TakeOutput(), all);
  EXPECT_TRUE(harness_.connection().wants_read());
}

TEST_F(PubacksTest, AnAnswerThatIsDroppedIsAcknowledgedAtOnce) {
  Start(1);
  Answer(9, 1, 5);  // Of no call.
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(5));
  Answer(1, 1, 6);
  Answer(1, 1, 7);  // The same again: only its turn has to come.
  EXPECT_EQ(harness_.TakeOutput(), "");
  EXPECT_EQ(harness_.hub().reports.size(), 1u);
  Taken(1);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(6) + PubackOf(7));
  EXPECT_EQ(harness_.dropped(Dropped::kLateAnswer), 2);
}

TEST_F(PubacksTest, ANoticeForNothingChangesNothing) {
  Start(1);
  Answer(1, 1, 6);
  Taken(2);
  EXPECT_EQ(harness_.TakeOutput(), "");
  EXPECT_EQ(harness_.dropped(Dropped::kStaleResult), 1);
}

TEST_F(PubacksTest, AConnectionThatEndsAcknowledgesNothing) {
  Start(1);
  Answer(1, 1, 6);
  harness_.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  Taken(1);
  EXPECT_EQ(harness_.TakeOutput(), "");
  EXPECT_EQ(harness_.hub().reports.size(), 1u);  // The answer; no UNKNOWN after it.
}

TEST_F(PubacksTest, WhatNobodyTakesIsAcknowledgedAfterTheCallsDeadline) {
  Start(1);
  Answer(1, 1, 6);
  harness_.AdvanceWithTimers(absl::Seconds(39.5));  // 30 s for the answer, 10 s for its commit.
  EXPECT_EQ(harness_.TakeOutput(), "");
  harness_.AdvanceWithTimers(absl::Seconds(1));
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(6));
  EXPECT_EQ(harness_.pubacks_expired(), 1);
  Taken(1);
  EXPECT_EQ(harness_.TakeOutput(), "");
}

TEST_F(PubacksTest, ADeviceThatIsNotReadFromIsNotBlamedForItsSilence) {
  Start(1);
  MethodCall slow = harness_.NewCall(2);
  slow.answer_deadline = harness_.wall() + absl::Seconds(600);
  harness_.Call(slow);
  harness_.TakeOutput();
  Answer(2, 1, 1);
  for (uint16_t id = 2; id <= 16; ++id) Telemetry(id);
  harness_.AdvanceWithTimers(absl::Seconds(500));  // Its keep-alive is 180 s.
  EXPECT_TRUE(harness_.is_open());
  Taken(2);
  EXPECT_TRUE(harness_.connection().wants_read());
  harness_.AdvanceWithTimers(absl::Seconds(271));
  EXPECT_EQ(harness_.close_reason(), CloseReason::kKeepAlive);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
