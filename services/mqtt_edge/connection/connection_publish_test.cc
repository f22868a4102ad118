#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"
#include "services/mqtt_edge/connection/twin_document.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TelemetryTest, IsAcknowledgedCountedAndDropped) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Publish("devices/dev-1/messages/events/a=b", "21", 1, 300);
  harness.Publish("devices/dev-1/messages/events", "22", 0);
  EXPECT_EQ(harness.TakeOutput(), "\x40\x02\x01\x2c"s);
  EXPECT_EQ(harness.dropped(Dropped::kTelemetry), 2);
}

TEST(TelemetryTest, OfAModuleIsTakenFromThatModuleOnly) {
  Harness harness;
  harness.ConnectWith(0, Harness::ModuleConnect());
  harness.Publish("devices/dev-1/modules/mod/messages/events/$.on=out", "21", 1, 300);
  EXPECT_EQ(harness.TakeOutput(), "\x40\x02\x01\x2c"s);
  EXPECT_EQ(harness.dropped(Dropped::kTelemetry), 1);
  harness.Publish("devices/dev-1/messages/events/", "22", 1, 301);
  EXPECT_EQ(harness.close_reason(), CloseReason::kForbiddenTopic);
  EXPECT_EQ(harness.TakeOutput(), "");
}

struct BadPublish {
  const char* name;
  std::string bytes;
};

class BadPublishTest : public ::testing::TestWithParam<BadPublish> {};

// Q13, Q14, D-PUB-2, -4, -5: closed without PUBACK.
TEST_P(BadPublishTest, ClosesWithoutPuback) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.SendBytes(GetParam().bytes);
  EXPECT_FALSE(harness.is_open());
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_TRUE(harness.hub().reads.empty());
}

std::string PublishOf(std::string_view topic, int qos) {
  return BytesOf(mqtt::Publish{.qos = static_cast<uint8_t>(qos), .packet_id = 9, .topic = topic, .payload = "x"});
}

INSTANTIATE_TEST_SUITE_P(
    Clauses, BadPublishTest,
    ::testing::Values(BadPublish{"DPub2Qos2", PublishOf("devices/dev-1/messages/events/", 2)},
                      BadPublish{"Qos3", "\x36\x05\0\x01t\0\x09"s}, BadPublish{"DupAtQos0", "\x38\x03\0\x01t"s},
                      BadPublish{"PacketIdZero", "\x32\x05\0\x01t\0\0"s},
                      BadPublish{"Wildcard", PublishOf("devices/dev-1/messages/events/+", 1)},
                      BadPublish{"NulInTopic", "\x30\x05\0\x03t\0t"s}, BadPublish{"EmptyTopic", PublishOf("", 1)},
                      BadPublish{"DPub4UnknownTopic", PublishOf("a/b", 1)},
                      BadPublish{"DPub4HubsTopic", PublishOf("$iothub/twin/res/200/?$rid=1", 1)},
                      BadPublish{"DPub5OtherDevice", PublishOf("devices/dev-2/messages/events/", 1)},
                      BadPublish{"DPub5LeadingSlash", PublishOf("/devices/dev-1/messages/events/", 1)},
                      BadPublish{"Q14BrokenPercent", PublishOf("devices/dev-1/messages/events/a=%4", 1)}),
    [](const auto& info) { return info.param.name; });

TEST(PublishTest, DPub3RetainIsAccepted) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Publish{.retain = true, .topic = "devices/dev-1/messages/events/", .payload = "1"});
  EXPECT_TRUE(harness.is_open());
}

TEST(PublishTest, Q15SenselessTwinRequestsAreCounted) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/GET/", "", 1, 4);
  harness.Publish("$iothub/twin/GET/?$rid=" + std::string(300, 'r'), "");
  EXPECT_TRUE(harness.is_open());
  EXPECT_EQ(harness.TakeOutput(), "\x40\x02\0\x04"s);
  EXPECT_EQ(harness.dropped(Dropped::kSenselessTopic), 2);
}

// --- Twin ---

TEST(TwinTest, ReadIsPassedOnAndAnsweredWithItsRequestId) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/GET/?$rid=5f%2Fa", " ");
  ASSERT_THAT(harness.hub().reads, ElementsAre("5f%2Fa"));
  harness.TwinRead("5f%2Fa", 200, R"({"desired":{"$version":1},"reported":{"$version":1}})", 1);
  EXPECT_EQ(harness.TakeOutput(),
            TwinResponse(200, "5f%2Fa", std::nullopt, R"({"desired":{"$version":1},"reported":{"$version":1}})"));
}

TEST(TwinTest, DPub1PubackComesBeforeTheAnswer) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/GET/?$rid=1", " ", 1, 4);
  EXPECT_EQ(harness.TakeOutput(), "\x40\x02\0\x04"s);
}

TEST(TwinTest, PatchIsPassedOnWithItsCondition) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/PATCH/properties/reported/?$rid=9&$version=4", R"({"fw":"1.1"})");
  ASSERT_EQ(harness.hub().patches.size(), 1u);
  EXPECT_EQ(harness.hub().patches[0].request_id, "9");
  EXPECT_EQ(harness.hub().patches[0].patch, R"({"fw":"1.1"})");
  EXPECT_EQ(harness.hub().patches[0].if_version, 4);
  harness.In([](Connection& connection, Turn& turn) { connection.OnReportedPatched("9", 204, 5, "", turn); });
  EXPECT_EQ(harness.TakeOutput(), TwinResponse(204, "9", 5, ""));
}

TEST(TwinTest, DTwn2ErrorsCarryTheirObject) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/PATCH/properties/reported/?$rid=9", "[]");
  const std::string error = R"({"errorCode":400000,"message":"not an object"})";
  harness.In([&](Connection& connection, Turn& turn) { connection.OnReportedPatched("9", 400, 0, error, turn); });
  EXPECT_EQ(harness.TakeOutput(), TwinResponse(400, "9", std::nullopt, error));
}

TEST(TwinTest, WithoutTheSubscriptionNothingIsProcessed) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Publish("$iothub/twin/GET/?$rid=1", " ");
  EXPECT_TRUE(harness.hub().reads.empty());
  EXPECT_EQ(harness.dropped(Dropped::kUnsubscribedTwin), 1);
}

TEST(TwinTest, RequestRightBehindItsSubscriptionCounts) {
  Harness harness;
  harness.ConnectWith(0);
  std::string bytes = BytesOf(mqtt::Subscribe{5, {{mqtt::kTwinResponsesFilter, 0}}});
  mqtt::Encode(mqtt::Publish{.topic = "$iothub/twin/GET/?$rid=1", .payload = " "}, &bytes);
  harness.SendBytes(bytes);
  EXPECT_EQ(harness.hub().reads.size(), 1u);
}

TEST(TwinTest, OversizePatchIsAnswered413) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/PATCH/properties/reported/?$rid=9", std::string(32 * 1024 + 1, ' '));
  EXPECT_TRUE(harness.hub().patches.empty());
  EXPECT_THAT(harness.TakeOutput(), HasSubstr("$iothub/twin/res/413/?$rid=9{\"errorCode\":413000,"));
}

TEST(TwinTest, DTwn4OneAnswerPerRequestEvenIfRequestIdsRepeat) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/GET/?$rid=1", "");
  harness.Publish("$iothub/twin/GET/?$rid=1", "");
  for (int i = 0; i < 3; ++i) harness.TwinRead("1", 200, "{}", 1);
  EXPECT_EQ(harness.TakePackets().size(), 2u);
  EXPECT_EQ(harness.dropped(Dropped::kStaleResult), 1);
}

TEST(TwinTest, DFl1ReadingPausesAtSixteenRequests) {
  ConnectionLimits limits;
  limits.requests_max = limits.requests_in_flight_max = 16;
  limits.twin_requests = {};
  Harness harness(limits);
  harness.ConnectWith(kTwinResponsesBit);
  std::string bytes;
  for (int i = 0; i < 20; ++i) {
    mqtt::Encode(mqtt::Publish{.topic = "$iothub/twin/GET/?$rid=" + std::to_string(i)}, &bytes);
  }
  mqtt::Encode(mqtt::Pingreq{}, &bytes);
  harness.SendBytes(bytes);
  EXPECT_EQ(harness.hub().reads.size(), 16u);
  EXPECT_FALSE(harness.connection().wants_read());
  for (int i = 0; i < 5; ++i) harness.TwinRead(std::to_string(i), 200, "{}", 1);
  EXPECT_EQ(harness.hub().reads.size(), 20u);
  EXPECT_TRUE(harness.connection().wants_read());
  EXPECT_EQ(harness.TakePackets().back(), "\xd0\0"s);
}

TEST(TwinTest, SilentHubIsA503) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/GET/?$rid=1", "");
  harness.AdvanceWithTimers(absl::Seconds(11));
  EXPECT_THAT(harness.TakeOutput(), HasSubstr("$iothub/twin/res/503/?$rid=1{\"errorCode\":503000,"));
  EXPECT_TRUE(harness.is_open());
  harness.TwinRead("1", 200, "{}", 1);
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(TwinTest, ReadsSurviveTheLossOfTheLinkPatchesDoNot) {
  ConnectionLimits limits;
  limits.requests_in_flight_max = 2;
  Harness harness(limits);
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/GET/?$rid=1", "");
  harness.Publish("$iothub/twin/PATCH/properties/reported/?$rid=2", "{}");
  harness.hub().link = kNoLink;
  harness.In([](Connection& connection, Turn& turn) { connection.OnLinkLost(0, turn); });
  EXPECT_THAT(harness.TakeOutput(), HasSubstr("res/503/?$rid=2"));
  harness.Publish("$iothub/twin/PATCH/properties/reported/?$rid=3", "{}");
  harness.hub().link = 0;
  harness.In([](Connection& connection, Turn& turn) { connection.OnLinkAttached(turn); });
  EXPECT_THAT(harness.hub().reads, ElementsAre("1", "1"));
  ASSERT_EQ(harness.hub().patches.size(), 2u);
  EXPECT_EQ(harness.hub().patches[1].request_id, "3");
}

TEST(TwinDocumentTest, FindsTheDesiredSection) {
  EXPECT_EQ(DesiredSection(R"({"desired":{"$version":1},"reported":{}})"), R"({"$version":1})");
  EXPECT_EQ(DesiredSection(R"({"reported":{"desired":{"x":1}}, "desired" : {"a":[{}]} })"), R"({"a":[{}]})");
  EXPECT_EQ(DesiredSection(R"({"desired":{"k\"}":"\\"},"z":1})"), R"({"k\"}":"\\"})");
  EXPECT_EQ(DesiredSection(R"({"reported":{}})"), "");
  EXPECT_EQ(DesiredSection(R"({"desired":{"a)"), "");
  EXPECT_EQ(DesiredSection(""), "");
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
