// What one device may send (device-mqtt.md 6.2), and how a refusal is held.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using mqtt::ConnectCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kEventsTopic = "devices/dev-1/messages/events/";

std::string Pings(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) mqtt::Encode(mqtt::Pingreq{}, &bytes);
  return bytes;
}

TEST(ConnectionLimitsTest, Q19MessagesBeyondTheBurstAreReadLater) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.SendBytes(Pings(250));
  EXPECT_EQ(harness.TakePackets().size(), 201u);  // The one too many is what makes it wait.
  EXPECT_FALSE(harness.connection().wants_read());
  EXPECT_TRUE(harness.connection().is_throttled());
  EXPECT_EQ(harness.limited(Limited::kMessages), 1);
  harness.Advance(absl::Seconds(1));  // The timer of the loop has ticks of a second.
  harness.Timer();
  EXPECT_EQ(harness.TakePackets().size(), 49u);
  EXPECT_TRUE(harness.connection().wants_read());
}

TEST(ConnectionLimitsTest, AsManyAsTheRateAllowsNeverWait) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  for (int i = 0; i < 1'000; ++i) {
    harness.Advance(absl::Milliseconds(10));
    harness.Publish(kEventsTopic, "x");
  }
  EXPECT_EQ(harness.limited(Limited::kMessages), 0);
  EXPECT_EQ(harness.dropped(Dropped::kTelemetry), 1'000);
}

TEST(ConnectionLimitsTest, AnswersToCallsAreNotCountedOthersAre) {
  ConnectionLimits limits;
  limits.messages = {1, 2};
  Harness harness(limits);
  harness.ConnectWith(kMethodsBit);
  for (uint64_t id = 1; id <= 10; ++id) {
    harness.Call(harness.NewCall(id));
    harness.Publish("$iothub/methods/res/200/?$rid=" + mqtt::FormatCallId(id), "{}");
  }
  EXPECT_FALSE(harness.connection().is_throttled());
  for (int i = 0; i < 3; ++i) harness.Publish("$iothub/methods/res/200/?$rid=77", "{}");  // Of no call.
  EXPECT_TRUE(harness.connection().is_throttled());
}

TEST(ConnectionLimitsTest, BytesBeyondTheBurstAreReadLater) {
  ConnectionLimits limits;
  limits.bytes = {1'000, 2'000};
  Harness harness(limits);
  harness.ConnectWith(kMethodsBit);
  harness.Publish(kEventsTopic, std::string(1'500, 'x'));
  EXPECT_TRUE(harness.connection().wants_read());
  harness.Publish(kEventsTopic, std::string(1'500, 'x'));
  EXPECT_EQ(harness.dropped(Dropped::kTelemetry), 2);  // What has been read is taken.
  EXPECT_FALSE(harness.connection().wants_read());
  EXPECT_EQ(harness.limited(Limited::kBytes), 1);
  harness.AdvanceWithTimers(absl::Seconds(2));
  EXPECT_TRUE(harness.connection().wants_read());
}

TEST(ConnectionLimitsTest, WhoIsReadLaterIsNotTakenForSilent) {
  ConnectionLimits limits;
  limits.messages = {0.001, 1};
  Harness harness(limits);
  harness.ConnectWith(kMethodsBit);
  harness.SendBytes(Pings(3));
  harness.AdvanceWithTimers(absl::Seconds(600));  // More than twice its keep-alive.
  EXPECT_TRUE(harness.is_open());
}

TEST(ConnectionLimitsTest, TooManySubscribesEndTheConnection) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  for (uint16_t id = 1; id <= 10; ++id) {
    harness.Send(mqtt::Subscribe{id, {{mqtt::kMethodsFilter, 0}}});
    harness.Send(mqtt::Unsubscribe{id, {"$iothub/twin/res/#"}});
  }
  EXPECT_TRUE(harness.is_open());
  harness.Send(mqtt::Subscribe{21, {{mqtt::kMethodsFilter, 0}}});
  EXPECT_EQ(harness.close_reason(), CloseReason::kRateLimit);
  EXPECT_EQ(harness.limited(Limited::kSubscribes), 1);
}

TEST(ConnectionLimitsTest, TwentySubscribesAMinuteAreFine) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  for (uint16_t id = 1; id <= 100; ++id) {
    harness.Send(mqtt::Subscribe{id, {{mqtt::kMethodsFilter, 0}}});
    harness.Advance(absl::Seconds(3));
  }
  EXPECT_TRUE(harness.is_open());
}

TEST(ConnectionLimitsTest, ADeviceOfLevel5HearsWhyItsConnectionEnds) {
  ConnectionLimits limits;
  limits.subscribes = {0.001, 1};
  Harness harness(limits);
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Send(mqtt::Subscribe{1, {{mqtt::kMethodsFilter, 0}}});
  harness.TakeOutput();
  harness.Send(mqtt::Subscribe{2, {{mqtt::kMethodsFilter, 0}}});
  EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, mqtt::ReasonCode::kMessageRateTooHigh);
}

class TwinLimitsTest : public ::testing::Test {
 protected:
  TwinLimitsTest() { harness_.ConnectWith(kTwinResponsesBit); }

  void Get(int id) { harness_.Publish("$iothub/twin/GET/?$rid=" + std::to_string(id), ""); }
  void Answer(int id) { harness_.TwinRead(std::to_string(id), 200, "{}", 1); }

  Harness harness_;
};

TEST_F(TwinLimitsTest, OneIsOnItsWayAtATime) {
  for (int id = 1; id <= 3; ++id) Get(id);
  EXPECT_THAT(harness_.hub().reads, ElementsAre("1"));
  Answer(1);
  EXPECT_THAT(harness_.hub().reads, ElementsAre("1", "2"));
  Answer(2);
  Answer(3);
  EXPECT_EQ(harness_.TakePackets().size(), 3u);
}

TEST_F(TwinLimitsTest, ThoseBeyondTheBurstWaitForTheirTurn) {
  for (int id = 1; id <= 12; ++id) Get(id);
  for (int id = 1; id <= 10; ++id) Answer(id);
  EXPECT_EQ(harness_.hub().reads.size(), 10u);
  EXPECT_EQ(harness_.limited(Limited::kTwinShaped), 2);
  EXPECT_TRUE(harness_.connection().wants_read());  // Its PINGREQ is answered meanwhile (D-KA-2).
  harness_.AdvanceWithTimers(absl::Milliseconds(100));
  EXPECT_EQ(harness_.hub().reads.size(), 11u);
  Answer(11);
  EXPECT_EQ(harness_.hub().reads.size(), 11u);
  harness_.AdvanceWithTimers(absl::Milliseconds(100));
  Answer(12);
  EXPECT_EQ(harness_.TakePackets().size(), 12u);
}

TEST_F(TwinLimitsTest, WhoWouldWaitLongerThanTenSecondsIsAnswered429) {
  for (int id = 1; id <= 110; ++id) Get(id);
  EXPECT_EQ(harness_.TakeOutput(), "");
  Get(111);
  EXPECT_THAT(harness_.TakeOutput(), HasSubstr("$iothub/twin/res/429/?$rid=111{\"errorCode\":429000,"));
  EXPECT_EQ(harness_.limited(Limited::kTwinRefused), 1);
}

TEST_F(TwinLimitsTest, ARequestThatHasWaitedIsGivenItsTenSeconds) {
  for (int id = 1; id <= 60; ++id) Get(id);
  for (int id = 1; id <= 59; ++id) {
    Answer(id);
    harness_.AdvanceWithTimers(absl::Milliseconds(100));
  }
  harness_.TakeOutput();
  harness_.AdvanceWithTimers(absl::Seconds(9));  // Almost fifteen after it was sent.
  EXPECT_EQ(harness_.TakeOutput(), "");
  harness_.AdvanceWithTimers(absl::Seconds(1));
  EXPECT_THAT(harness_.TakeOutput(), HasSubstr("$iothub/twin/res/503/?$rid=60"));
}

TEST_F(TwinLimitsTest, SomeBytesOfPatchesMayWait) {
  const std::string patch(32 * 1024, ' ');
  for (int id = 1; id <= 5; ++id) {
    EXPECT_TRUE(harness_.connection().wants_read());
    harness_.Publish("$iothub/twin/PATCH/properties/reported/?$rid=" + std::to_string(id), patch);
  }
  EXPECT_FALSE(harness_.connection().wants_read());
  EXPECT_EQ(harness_.connection().buffered_bytes(), 4 * patch.size());  // One is on its way.
}

TEST(HeldRefusalTest, IsToldWhenTheHoldIsOver) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.SendBytes(Pings(1));
  harness.Open({.code = ConnectCode::kNotAuthorized, .token_expiry = {}, .hold = absl::Seconds(7)});
  harness.AdvanceWithTimers(absl::Seconds(6));
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_TRUE(harness.is_open());
  EXPECT_FALSE(harness.connection().wants_read());
  harness.AdvanceWithTimers(absl::Seconds(1));
  EXPECT_EQ(harness.TakeOutput(), BytesOf(mqtt::Connack{false, ConnectCode::kNotAuthorized}));
  EXPECT_EQ(harness.close_reason(), CloseReason::kRefused);
}

TEST(HeldRefusalTest, WhoLeavesMeanwhileLeavesNothing) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.Open({.code = ConnectCode::kNotAuthorized, .token_expiry = {}, .hold = absl::Seconds(7)});
  harness.In([](Connection& connection, Turn& turn) { connection.OnLinkLost(0, turn); });
  EXPECT_TRUE(harness.is_open());
  harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_TRUE(harness.hub().closed_epochs.empty());
  EXPECT_TRUE(harness.hub().abandoned.empty());
}

TEST(HeldRefusalTest, ADeviceOfLevel5HearsItsReason) {
  Harness harness;
  harness.SendConnect5(Harness::Connect5());
  harness.Open({.code = ConnectCode::kNotAuthorized, .token_expiry = {}, .hold = absl::Seconds(7)});
  harness.AdvanceWithTimers(absl::Seconds(7));
  EXPECT_EQ(harness.Take5<mqtt::Connack>().reason, mqtt::ReasonCode::kNotAuthorized);
}

TEST(BusyTest, ACongestedEdgeIsNotTheDevicesFault) {
  Harness harness;
  harness.connection().RefuseConnect();
  harness.Send(Harness::NodeConnect());
  EXPECT_EQ(harness.TakeOutput(), BytesOf(mqtt::Connack{false, ConnectCode::kServerUnavailable}));
  EXPECT_TRUE(harness.hub().opens.empty());
}

TEST(BusyTest, ADeviceOfLevel5HearsThatTheServerIsBusy) {
  Harness harness;
  harness.connection().RefuseConnect();
  harness.SendConnect5(Harness::Connect5());
  EXPECT_EQ(harness.Take5<mqtt::Connack>().reason, mqtt::ReasonCode::kServerBusy);
}

TEST(BufferedBytesTest, CountWhatIsKept) {
  Harness harness;
  EXPECT_EQ(harness.connection().buffered_bytes(), 0u);
  const std::string connect = BytesOf(Harness::NodeConnect());
  harness.SendBytes(connect.substr(0, 20));
  EXPECT_EQ(harness.connection().buffered_bytes(), 20u);
  harness.SendBytes(connect.substr(20));
  EXPECT_EQ(harness.connection().buffered_bytes(), 0u);
  harness.SendBytes(Pings(5));  // Behind a CONNECT that is not answered yet.
  EXPECT_EQ(harness.connection().buffered_bytes(), 10u);
  harness.Open({.code = ConnectCode::kAccepted, .epoch = 7, .subscriptions = kMethodsBit, .token_expiry = {}});
  EXPECT_EQ(harness.connection().buffered_bytes(), 0u);
  MethodCall call = harness.NewCall(1);
  const std::string payload(1'000, '1');
  call.payload = payload;
  harness.Call(call, /*backlog_bytes=*/1);
  EXPECT_EQ(harness.connection().buffered_bytes(), 1'000u);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
