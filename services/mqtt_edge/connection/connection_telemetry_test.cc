// Telemetry between a device and a sink: PUBACKs after delivery, in order; a full sink pauses the device.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kTopic = "devices/dev-1/messages/events/";

class TelemetrySinkTest : public ::testing::Test {
 protected:
  void Start(SinkAnswer answer = SinkAnswer::kTaken) {
    harness_.hub().sink = answer;
    harness_.ConnectWith(kMethodsBit | kTwinResponsesBit);
  }
  void Publish(int qos, uint16_t packet_id = 0, std::string_view payload = "x") {
    harness_.Publish(kTopic, payload, qos, packet_id);
  }
  void Delivered(size_t count) {
    harness_.In([&](Connection& connection, Turn& turn) { connection.OnTelemetryDelivered(count, turn); });
  }
  void Room() {
    harness_.In([](Connection& connection, Turn& turn) { connection.OnTelemetryRoom(turn); });
  }
  const std::vector<RecordingEffects::Telemetry>& taken() { return harness_.hub().telemetry; }

  Harness harness_;
};

TEST_F(TelemetrySinkTest, AMessageAtQos1IsAcknowledgedWhenItIsDelivered) {
  Start();
  harness_.Publish("devices/dev-1/messages/events/?a=b&%24.mid=1/", "21", 1, 300);
  ASSERT_THAT(taken(), SizeIs(1));
  EXPECT_EQ(taken()[0].properties, "a=b&%24.mid=1");
  EXPECT_EQ(taken()[0].payload, "21");
  EXPECT_TRUE(taken()[0].waits);
  EXPECT_EQ(harness_.TakeOutput(), "");
  EXPECT_TRUE(harness_.connection().is_busy());  // A drain waits for it.
  Delivered(1);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(300));
  EXPECT_FALSE(harness_.connection().is_busy());
  EXPECT_EQ(harness_.dropped(Dropped::kTelemetry), 0);
}

TEST_F(TelemetrySinkTest, AMessageAtQos0WaitsForNothing) {
  Start();
  Publish(0);
  ASSERT_THAT(taken(), SizeIs(1));
  EXPECT_FALSE(taken()[0].waits);
  EXPECT_FALSE(harness_.connection().is_busy());
}

TEST_F(TelemetrySinkTest, Mqtt4_6_0_2PubacksStayInTheOrderOfThePackets) {
  Start();
  harness_.Call(harness_.NewCall(1));
  harness_.TakeOutput();
  Publish(1, 1);
  harness_.Publish("$iothub/methods/res/200/?$rid=1", "{}", 1, 2);
  Publish(1, 3);
  harness_.Publish("$iothub/twin/GET/?$rid=r", "", 1, 4);
  Publish(1, 5);
  Delivered(2);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(1));  // The answer is not taken yet.
  harness_.In([](Connection& connection, Turn& turn) { connection.OnAnswerTaken(1, turn); });
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(2) + PubackOf(3) + PubackOf(4));
  Delivered(1);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(5));
}

TEST_F(TelemetrySinkTest, DFl1SixteenUndeliveredThenNothingIsRead) {
  Start();
  for (uint16_t id = 1; id <= 17; ++id) Publish(1, id);
  EXPECT_FALSE(harness_.connection().wants_read());
  EXPECT_THAT(taken(), SizeIs(16));
  Delivered(1);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(1));
  EXPECT_THAT(taken(), SizeIs(17));
  Delivered(16);
  std::string rest;
  for (uint16_t id = 2; id <= 17; ++id) rest += PubackOf(id);
  EXPECT_EQ(harness_.TakeOutput(), rest);
  EXPECT_TRUE(harness_.connection().wants_read());
}

TEST_F(TelemetrySinkTest, CallsAndTwinsGoOnWhileMessagesWait) {
  Start();
  Publish(1, 1);
  harness_.Call(harness_.NewCall(1));
  EXPECT_EQ(harness_.TakeOutput(), MethodRequest("lockDoor", 1, "{}"));
  harness_.Publish("$iothub/methods/res/200/?$rid=1", "{}", 0);
  EXPECT_EQ(harness_.hub().reports.back().kind, CallReport::Kind::kAnswer);
  harness_.Publish("$iothub/twin/GET/?$rid=r", "", 0);
  harness_.TwinRead("r", 200, "{}", 1);
  EXPECT_EQ(harness_.TakeOutput(), TwinResponse(200, "r", std::nullopt, "{}"));
}

TEST_F(TelemetrySinkTest, AFullSinkTakesOneMoreAndThenNothingIsReadUntilThereIsRoom) {
  Start(SinkAnswer::kTakenLast);
  Publish(0);
  EXPECT_FALSE(harness_.connection().wants_read());
  EXPECT_EQ(harness_.paused(), 1);
  Publish(0, 0, "held");  // Was on its way.
  EXPECT_THAT(taken(), SizeIs(1));
  harness_.hub().sink = SinkAnswer::kTaken;
  Room();
  EXPECT_TRUE(harness_.connection().wants_read());
  ASSERT_THAT(taken(), SizeIs(2));
  EXPECT_EQ(taken()[1].payload, "held");
  EXPECT_EQ(harness_.paused(), 0);
}

TEST_F(TelemetrySinkTest, WhoeverEndsIsNotPausedAnyMore) {
  Start(SinkAnswer::kTakenLast);
  Publish(0);
  harness_.SendBytes(BytesOf(mqtt::Pingreq{}));  // Held, and not answered after the end.
  harness_.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  EXPECT_EQ(harness_.paused(), 0);
  Room();
  EXPECT_EQ(harness_.paused(), 0);
  EXPECT_EQ(harness_.TakeOutput(), "");
}

TEST_F(TelemetrySinkTest, AFullSinkIsNoSilenceOfTheDevice) {
  Start(SinkAnswer::kTakenLast);
  Publish(1, 1);
  harness_.AdvanceWithTimers(absl::Hours(1));
  EXPECT_TRUE(harness_.is_open());
  EXPECT_EQ(harness_.TakeOutput(), "");  // However long it takes: no PUBACK without delivery.
  Delivered(1);
  EXPECT_EQ(harness_.TakeOutput(), PubackOf(1));
  EXPECT_FALSE(harness_.connection().wants_read());
}

TEST_F(TelemetrySinkTest, WhatTheSinkRefusesIsNeverAcknowledged) {
  Start(SinkAnswer::kRefused);
  Publish(0);
  EXPECT_TRUE(harness_.is_open());
  EXPECT_EQ(harness_.dropped(Dropped::kTelemetryOverflow), 1);
  Publish(1, 1);
  EXPECT_EQ(harness_.TakeOutput(), "");
  EXPECT_EQ(harness_.close_reason(), CloseReason::kUnavailable);
  EXPECT_EQ(harness_.dropped(Dropped::kTelemetryOverflow), 2);
}

TEST_F(TelemetrySinkTest, AConnectionThatEndsAcknowledgesNothing) {
  Start();
  Publish(1, 1);
  harness_.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  Delivered(1);
  EXPECT_EQ(harness_.TakeOutput(), "");
}

TEST_F(TelemetrySinkTest, BadBagsAndTopicsOfOthersNeverReachIt) {
  for (const std::string_view topic :
       {"devices/dev-1/messages/events/a=%zz", "devices/dev-1/messages/events/=b", "devices/dev-2/messages/events/",
        "/devices/dev-1/messages/events/", "devices/dev-1/modules/m/messages/events/"}) {
    Harness harness;
    harness.hub().sink = SinkAnswer::kTaken;
    harness.ConnectWith(0);
    harness.Publish(topic, "x", 1, 1);
    EXPECT_EQ(harness.close_reason(), CloseReason::kForbiddenTopic) << topic;
    EXPECT_THAT(harness.hub().telemetry, IsEmpty()) << topic;
    EXPECT_EQ(harness.TakeOutput(), "") << topic;
  }
}

TEST_F(TelemetrySinkTest, DPub3TheRetainFlagComesAlong) {
  Start();
  harness_.Send(mqtt::Publish{.retain = true, .topic = kTopic, .payload = "x"});
  ASSERT_THAT(taken(), SizeIs(1));
  EXPECT_TRUE(taken()[0].is_retained);
}

TEST_F(TelemetrySinkTest, OfAModuleGoesToTheSinkToo) {
  harness_.hub().sink = SinkAnswer::kTaken;
  harness_.ConnectWith(0, Harness::ModuleConnect());
  harness_.Publish("devices/dev-1/modules/mod/messages/events/$.on=out/", "21", 1, 300);
  ASSERT_THAT(taken(), SizeIs(1));
  EXPECT_EQ(taken()[0].properties, "$.on=out");
}

// Level 5: the device knows how many may be outstanding, and a refusal stands in its turn.
TEST_F(TelemetrySinkTest, AtLevel5SixteenMayBeOutstandingAndRefusalsKeepTheirTurn) {
  harness_.hub().sink = SinkAnswer::kTaken;
  harness_.ConnectWith5(Harness::Connect5());
  mqtt::PublishProperties properties;
  properties.content_type = "application/json";
  harness_.Send(mqtt::Publish{.qos = 1, .packet_id = 1, .topic = kTopic, .payload = "{}", .properties = properties});
  harness_.Publish("devices/dev-2/messages/events/", "x", 1, 2);  // Of another device.
  EXPECT_EQ(harness_.TakeOutput(), "");
  EXPECT_EQ(taken()[0].content_type, "application/json");
  Delivered(1);
  std::string expected;
  mqtt::Encode(mqtt::Puback{1}, &expected, mqtt::kLevel5);
  mqtt::Encode(mqtt::Puback{2, mqtt::ReasonCode::kNotAuthorized}, &expected, mqtt::kLevel5);
  EXPECT_EQ(harness_.TakeOutput(), expected);
  for (uint16_t id = 1; id <= 16; ++id) Publish(1, id);
  EXPECT_TRUE(harness_.is_open());
  Publish(1, 17);
  EXPECT_EQ(harness_.close_reason(), CloseReason::kProtocol);
  EXPECT_EQ(harness_.Take5<mqtt::Disconnect>().reason, mqtt::ReasonCode::kReceiveMaximumExceeded);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
