#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;

constexpr std::string_view kOwnMessages = "devices/dev-1/messages/devicebound/#";

TEST(SubscribeTest, DSes1TheSetIsStoredBeforeSuback) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{5, {{mqtt::kMethodsFilter, 0}}});
  ASSERT_EQ(harness.hub().changes.size(), 1u);
  EXPECT_EQ(harness.hub().changes[0].subscriptions, kMethodsBit);
  EXPECT_TRUE(harness.hub().changes[0].durable);
  EXPECT_EQ(harness.TakeOutput(), "");
  harness.SubscriptionsSaved(kMethodsBit);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x03\0\x05\0"s);
  EXPECT_EQ(harness.connection().subscriptions(), kMethodsBit);
}

TEST(SubscribeTest, PacketsOfOneSegmentAreOneChange) {
  Harness harness;
  harness.ConnectWith(0);
  std::string bytes = BytesOf(mqtt::Subscribe{5, {{mqtt::kMethodsFilter, 0}}});
  mqtt::Encode(mqtt::Subscribe{6, {{mqtt::kTwinResponsesFilter, 1}}}, &bytes);
  harness.SendBytes(bytes);
  ASSERT_EQ(harness.hub().changes.size(), 1u);
  harness.SubscriptionsSaved(kMethodsBit | kTwinResponsesBit);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x03\0\x05\0\x90\x03\0\x06\x01"s);
}

TEST(SubscribeTest, TheNextChangeWaitsForTheOneUnderWay) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{5, {{mqtt::kMethodsFilter, 0}}});
  harness.Send(mqtt::Subscribe{6, {{mqtt::kTwinResponsesFilter, 0}}});
  EXPECT_EQ(harness.hub().changes.size(), 1u);
  harness.SubscriptionsSaved(kMethodsBit);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x03\0\x05\0"s);
  ASSERT_EQ(harness.hub().changes.size(), 2u);
  EXPECT_EQ(harness.hub().changes[1].subscriptions, kMethodsBit | kTwinResponsesBit);
  harness.SubscriptionsSaved(kMethodsBit | kTwinResponsesBit);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x03\0\x06\0"s);
}

// Who may send as many SUBSCRIBEs as it likes.
ConnectionLimits AnyNumber() {
  ConnectionLimits limits;
  limits.subscribes = {};
  return limits;
}

TEST(SubscribeTest, DFl1MoreThanMayBeInFlightAreAllAnswered) {
  Harness harness(AnyNumber());
  harness.ConnectWith(0);
  std::string bytes;
  std::string answers;
  for (uint16_t id = 1; id <= 100; ++id) {
    mqtt::Encode(mqtt::Subscribe{id, {{mqtt::kMethodsFilter, 0}}}, &bytes);
    mqtt::Encode(mqtt::Suback{id, {0}}, &answers);
  }
  harness.SendBytes(bytes);
  harness.SubscriptionsSaved(kMethodsBit);  // The rest changes nothing: there is nothing to wait for.
  EXPECT_EQ(harness.TakeOutput(), answers);
  EXPECT_EQ(harness.hub().changes.size(), 1u);
  harness.Send(mqtt::Pingreq{});
  EXPECT_EQ(harness.TakeOutput(), BytesOf(mqtt::Pingresp{}));
}

TEST(SubscribeTest, DSub1Qos2IsGrantedAsQos1) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{5, {{kOwnMessages, 2}, {mqtt::kDesiredFilter, 2}, {mqtt::kMethodsFilter, 0}}});
  const Subscriptions all = kMessagesBit | kMessagesQos1Bit | kDesiredBit | kMethodsBit;
  EXPECT_EQ(harness.hub().changes[0].subscriptions, all);
  harness.SubscriptionsSaved(all);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x05\0\x05\x01\x01\0"s);
}

TEST(SubscribeTest, DSub4RepeatHasNoEffectButItsSuback) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Send(mqtt::Subscribe{5, {{mqtt::kMethodsFilter, 1}}});
  EXPECT_TRUE(harness.hub().changes.empty());
  EXPECT_EQ(harness.TakeOutput(), "\x90\x03\0\x05\x01"s);
}

TEST(SubscribeTest, ManyRepeatsInOneSegmentDoNotStopTheReading) {
  Harness harness(AnyNumber());
  harness.ConnectWith(kMethodsBit);
  std::string bytes;
  for (uint16_t id = 1; id <= 40; ++id) mqtt::Encode(mqtt::Subscribe{id, {{mqtt::kMethodsFilter, 0}}}, &bytes);
  mqtt::Encode(mqtt::Pingreq{}, &bytes);
  harness.SendBytes(bytes);
  const std::vector<std::string> packets = harness.TakePackets();
  ASSERT_EQ(packets.size(), 41u);
  EXPECT_EQ(std::count(packets.begin(), packets.end(), BytesOf(mqtt::Pingresp{})), 1);
}

TEST(SubscribeTest, Mqtt3_8_4_3RepeatReplacesTheQos) {
  Harness harness;
  harness.ConnectWith(kMessagesBit | kMessagesQos1Bit);
  harness.Send(mqtt::Subscribe{5, {{kOwnMessages, 0}}});
  EXPECT_EQ(harness.hub().changes[0].subscriptions, kMessagesBit);
}

TEST(SubscribeTest, DSub3AnyOtherFilterClosesAndNothingIsApplied) {
  for (const std::string_view filter : {"#", "+", "$iothub/#", "devices/other/#", "devices/dev-1/#", "a/b"}) {
    Harness harness;
    harness.ConnectWith(0);
    harness.Send(mqtt::Subscribe{5, {{mqtt::kMethodsFilter, 0}, {filter, 0}}});
    EXPECT_EQ(harness.close_reason(), CloseReason::kForbiddenTopic) << filter;
    EXPECT_TRUE(harness.hub().changes.empty());
    EXPECT_EQ(harness.TakeOutput(), "");
  }
}

TEST(SubscribeTest, AModuleHasItsOwnFiltersAndKeepsTheirQos) {
  Harness harness;
  harness.ConnectWith(0, Harness::ModuleConnect());
  harness.Send(mqtt::Subscribe{5,
                               {{mqtt::kMethodsFilter, 0},
                                {"devices/dev-1/modules/mod/#", 1},
                                {"devices/dev-1/modules/mod/inputs/#", 2},
                                {"devices/dev-1/modules/mod/messages/devicebound/#", 0}}});
  const Subscriptions all = kMethodsBit | kModuleBit | kModuleQos1Bit | kInputsBit | kInputsQos1Bit | kMessagesBit;
  ASSERT_EQ(harness.hub().changes.size(), 1u);
  EXPECT_EQ(harness.hub().changes[0].subscriptions, all);
  harness.SubscriptionsSaved(all);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x06\0\x05\0\x01\x01\0"s);
  harness.Send(mqtt::Unsubscribe{6, {"devices/dev-1/modules/mod/#"}});
  EXPECT_EQ(harness.hub().changes[1].subscriptions, all & ~(kModuleBit | kModuleQos1Bit));
}

TEST(SubscribeTest, TheFiltersOfItsDeviceAreForbiddenToAModule) {
  Harness harness;
  harness.ConnectWith(0, Harness::ModuleConnect());
  harness.Send(mqtt::Subscribe{5, {{kOwnMessages, 0}}});
  EXPECT_EQ(harness.close_reason(), CloseReason::kForbiddenTopic);
}

TEST(SubscribeTest, DSub3OrIsAnswered0x80WhenConfigured) {
  ConnectionLimits limits;
  limits.close_on_bad_filter = false;
  Harness harness(limits);
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{5, {{"#", 0}, {mqtt::kMethodsFilter, 0}}});
  harness.SubscriptionsSaved(kMethodsBit);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x04\0\x05\x80\0"s);
}

TEST(SubscribeTest, DSub2TooManyFiltersClose) {
  Harness harness;
  harness.ConnectWith(0);
  mqtt::Subscribe subscribe{5, {}};
  for (int i = 0; i < 9; ++i) subscribe.subscriptions.push_back({mqtt::kMethodsFilter, 0});
  harness.Send(subscribe);
  EXPECT_EQ(harness.close_reason(), CloseReason::kForbiddenTopic);
}

TEST(SubscribeTest, DSub6UnsubscribeIsAlwaysAnswered) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Send(mqtt::Unsubscribe{6, {"never/subscribed"}});
  EXPECT_EQ(harness.TakeOutput(), "\xb0\x02\0\x06"s);
  harness.Send(mqtt::Unsubscribe{7, {mqtt::kMethodsFilter}});
  EXPECT_EQ(harness.hub().changes[0].subscriptions, 0u);
  EXPECT_EQ(harness.TakeOutput(), "");
  harness.SubscriptionsSaved(0);
  EXPECT_EQ(harness.TakeOutput(), "\xb0\x02\0\x07"s);
}

TEST(SubscribeTest, FailureToStoreClosesInsteadOfForgetting) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{5, {{mqtt::kMethodsFilter, 0}}});
  harness.In([](Connection& connection, Turn& turn) { connection.OnSubscriptionsSaved(0, true, 0, turn); });
  EXPECT_EQ(harness.close_reason(), CloseReason::kUnavailable);
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(SubscribeTest, SilentHubClosesAfterTenSeconds) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{5, {{mqtt::kMethodsFilter, 0}}});
  harness.AdvanceWithTimers(absl::Seconds(11));
  EXPECT_EQ(harness.close_reason(), CloseReason::kUnavailable);
}

TEST(SubscribeTest, ChangeLostWithItsLinkIsSentAgain) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{5, {{mqtt::kMethodsFilter, 0}}});
  harness.hub().link = kNoLink;
  harness.In([](Connection& connection, Turn& turn) { connection.OnLinkLost(0, turn); });
  EXPECT_EQ(harness.hub().changes.size(), 1u);
  harness.hub().link = 1;
  harness.In([](Connection& connection, Turn& turn) { connection.OnLinkAttached(turn); });
  ASSERT_EQ(harness.hub().changes.size(), 2u);
  harness.SubscriptionsSaved(kMethodsBit);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x03\0\x05\0"s);
}

TEST(SubscribeTest, CleanSessionIsNotStored) {
  Harness harness;
  mqtt::Connect connect = Harness::NodeConnect();
  connect.clean_session = true;
  harness.Send(connect);
  harness.Open({mqtt::ConnectCode::kAccepted, 7, 0, false, std::nullopt});
  harness.Send(mqtt::Subscribe{5, {{mqtt::kMethodsFilter, 0}}});
  EXPECT_FALSE(harness.hub().changes[0].durable);
}

// --- Desired changes ---

constexpr std::string_view kDocument =
    R"({"desired":{"a":{"desired":"}\""},"$version":8},"reported":{"desired":{},"$version":3}})";

void SubscribeDesired(Harness& harness, int64_t version) {
  harness.Send(mqtt::Subscribe{5, {{mqtt::kDesiredFilter, 0}}});
  harness.SubscriptionsSaved(harness.hub().changes.back().subscriptions, version);
}

TEST(DesiredTest, T5ChangesArriveInOrderAfterSuback) {
  Harness harness;
  harness.ConnectWith(0);
  SubscribeDesired(harness, 7);
  harness.TakeOutput();
  harness.DesiredChange(7);  // Known when the subscription was registered.
  harness.DesiredChange(8);
  harness.DesiredChange(9);
  harness.DesiredChange(9);
  EXPECT_THAT(harness.TakePackets(), ElementsAre(DesiredNotification(8), DesiredNotification(9)));
}

TEST(DesiredTest, T5GapCloses) {
  Harness harness;
  harness.ConnectWith(0);
  SubscribeDesired(harness, 7);
  harness.TakeOutput();
  harness.DesiredChange(9);
  EXPECT_EQ(harness.close_reason(), CloseReason::kDesiredGap);
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(DesiredTest, RestoredSubscriptionStartsWithTheFirstChangeThatComes) {
  Harness harness;
  harness.ConnectWith(kDesiredBit);
  harness.DesiredChange(41);
  harness.DesiredChange(42);
  EXPECT_THAT(harness.TakePackets(), ElementsAre(DesiredNotification(41), DesiredNotification(42)));
  harness.DesiredChange(44);
  EXPECT_EQ(harness.close_reason(), CloseReason::kDesiredGap);
}

TEST(DesiredTest, NothingWithoutTheSubscription) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.DesiredChange(8);
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(DesiredTest, ChangesOfAnOlderSessionAreIgnored) {
  Harness harness;
  harness.ConnectWith(kDesiredBit);
  harness.In([](Connection& connection, Turn& turn) { connection.OnDesiredChange(6, 8, "{}", turn); });
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(DesiredTest, DTwn1ChangeBetweenGetAndSubscribeIsCaughtUp) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/GET/?$rid=1", " ");
  harness.TwinRead("1", 200, "{}", 7);
  harness.TakeOutput();
  SubscribeDesired(harness, 8);
  harness.TakeOutput();
  ASSERT_EQ(harness.hub().reads.size(), 2u);
  harness.TwinRead(harness.hub().reads[1], 200, kDocument, 8);
  std::string expected;
  mqtt::AppendDesiredChange(8, R"({"a":{"desired":"}\""},"$version":8})", &expected);
  EXPECT_EQ(harness.TakeOutput(), expected);
  harness.DesiredChange(9);
  EXPECT_EQ(harness.TakeOutput(), DesiredNotification(9));
}

TEST(DesiredTest, NoCatchUpWhenNothingWasMissed) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Publish("$iothub/twin/GET/?$rid=1", " ");
  harness.TwinRead("1", 200, "{}", 8);
  SubscribeDesired(harness, 8);
  EXPECT_EQ(harness.hub().reads.size(), 1u);
}

TEST(DesiredTest, ChangeThatOvertakesItsRegistrationIsCaughtUp) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{5, {{mqtt::kDesiredFilter, 0}}});
  harness.DesiredChange(8);
  harness.SubscriptionsSaved(kDesiredBit, 7);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x03\0\x05\0"s);
  ASSERT_EQ(harness.hub().reads.size(), 1u);
  harness.DesiredChange(9);
  harness.TwinRead(harness.hub().reads[0], 200, kDocument, 8);  // Older than what was seen: again.
  ASSERT_EQ(harness.hub().reads.size(), 2u);
  harness.TwinRead(harness.hub().reads[1], 200, kDocument, 9);
  harness.DesiredChange(10);
  EXPECT_EQ(harness.TakePackets().size(), 2u);
}

TEST(DesiredTest, CatchUpThatFailsCloses) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{5, {{mqtt::kDesiredFilter, 0}}});
  harness.DesiredChange(8);
  harness.SubscriptionsSaved(kDesiredBit, 7);
  harness.TwinRead(harness.hub().reads[0], 503, "{}", 0);
  EXPECT_EQ(harness.close_reason(), CloseReason::kDesiredGap);
}

TEST(DesiredTest, ChangesMissedDuringAnOutageOfTheHubClose) {
  Harness harness;
  harness.ConnectWith(kDesiredBit);
  harness.DesiredChange(8);
  harness.SubscriptionsSaved(kDesiredBit, 8);  // Announced again: nothing missed.
  EXPECT_TRUE(harness.is_open());
  harness.SubscriptionsSaved(kDesiredBit, 9);
  EXPECT_EQ(harness.close_reason(), CloseReason::kDesiredGap);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
