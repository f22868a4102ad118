// A connection at MQTT 5: SUBSCRIBE and UNSUBSCRIBE.
// Tests that are named after a number are statements of Appendix B of its standard.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"
#include "services/mqtt_edge/connection/level5_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using mqtt::ReasonCode;
using ::testing::ElementsAre;

TEST(Level5SubscribeTest, Mqtt5_3_8_4_1SubscribeIsAcknowledged) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Send(mqtt::Subscribe{9, {{mqtt::kMethodsFilter, 1}}});
  EXPECT_EQ(harness.TakeOutput(), "");
  harness.SubscriptionsSaved(kMethodsBit);
  EXPECT_EQ(harness.TakeOutput(), Bytes5(mqtt::Suback{9, {1}}));
}

TEST(Level5SubscribeTest, Mqtt5_2_2_1_6And3_8_4_2AcksHaveThePacketsId) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Send(mqtt::Subscribe{0xfffe, {{"x", 0}}});
  EXPECT_EQ(harness.Take5<mqtt::Suback>().packet_id, 0xfffe);
  harness.Send(mqtt::Unsubscribe{0xfffd, {"x"}});
  EXPECT_EQ(harness.Take5<mqtt::Unsuback>().packet_id, 0xfffd);
}

TEST(Level5SubscribeTest, Mqtt5_3_2_2_10QosTwoIsAcceptedAndGrantedAtOne) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Send(mqtt::Subscribe{9, {{mqtt::kMethodsFilter, 2}}});
  harness.SubscriptionsSaved(kMethodsBit);
  EXPECT_THAT(harness.Take5<mqtt::Suback>().codes, ElementsAre(1));
}

TEST(Level5SubscribeTest, Mqtt5_3_8_4_3ARepeatedFilterReplacesTheOldOne) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Send(mqtt::Subscribe{9, {{mqtt::kMethodsFilter, 1}}});
  EXPECT_THAT(harness.Take5<mqtt::Suback>().codes, ElementsAre(1));
  EXPECT_EQ(harness.connection().subscriptions(), kMethodsBit);
}

// 0x8f: no filter of the vocabulary; 0x87: of another device.
TEST(Level5SubscribeTest, Mqtt5_3_8_4_5To7EachFilterHasItsCodeInOneSuback) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Send(mqtt::Subscribe{9,
                               {{mqtt::kMethodsFilter, 0},
                                {"#", 0},
                                {"devices/dev-2/messages/devicebound/#", 0},
                                {"devices/dev-1/messages/devicebound/#", 1}}});
  harness.SubscriptionsSaved(kMethodsBit | kMessagesBit | kMessagesQos1Bit);
  EXPECT_THAT(harness.Take5<mqtt::Suback>().codes, ElementsAre(0, 0x8f, 0x87, 1));
  EXPECT_TRUE(harness.is_open());
}

TEST(Level5SubscribeTest, Mqtt5_3_9_3_1CodesKeepTheOrderOfFilters) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Send(mqtt::Subscribe{9, {{"x", 0}, {mqtt::kMethodsFilter, 1}, {"devices/x", 0}}});
  EXPECT_THAT(harness.Take5<mqtt::Suback>().codes, ElementsAre(0x8f, 1, 0x87));
}

TEST(Level5SubscribeTest, FiltersBeyondTheEighthHear0x97) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  mqtt::Subscribe subscribe{9, {}};
  for (int i = 0; i < 10; ++i) subscribe.subscriptions.push_back({"x", 0});
  harness.Send(subscribe);
  EXPECT_THAT(harness.Take5<mqtt::Suback>().codes,
              ElementsAre(0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x97, 0x97));
}

TEST(Level5SubscribeTest, Mqtt5_4_7_1_1And2MisplacedWildcardsAreNoFilters) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Send(mqtt::Subscribe{9, {{"$iothub/methods/POST#", 0}, {"$iothub/+methods/POST/#", 0}, {"#/x", 0}}});
  EXPECT_THAT(harness.Take5<mqtt::Suback>().codes, ElementsAre(0x8f, 0x8f, 0x8f));
}

TEST(Level5SubscribeTest, Mqtt5_4_7_2_1LeadingWildcardsMatchNothing) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Send(mqtt::Subscribe{9, {{"#", 0}, {"+/methods/POST/#", 0}}});
  harness.TakeOutput();
  harness.Call(harness.NewCall(1));
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(Level5SubscribeTest, Mqtt5_4_7_3_4NoNormalization) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Send(mqtt::Subscribe{9, {{"$iothub//methods/POST/#", 0}, {"$IOTHUB/methods/POST/#", 0}}});
  EXPECT_THAT(harness.Take5<mqtt::Suback>().codes, ElementsAre(0x8f, 0x8f));
}

TEST(Level5SubscribeTest, SubscriptionIdsHear0xa1) {
  ExpectDisconnect(Bytes5(mqtt::Subscribe{9, {{mqtt::kMethodsFilter, 0}}, {.subscription_id = 1}}),
                   ReasonCode::kSubscriptionIdentifiersNotSupported);
}

TEST(Level5SubscribeTest, SharedSubscriptionsHear0x9e) {
  ExpectDisconnect(Bytes5(mqtt::Subscribe{9, {{"$share/group/$iothub/methods/POST/#", 0}}}),
                   ReasonCode::kSharedSubscriptionsNotSupported);
}

TEST(Level5SubscribeTest, Mqtt5_3_10_4_1FiltersAreComparedByteForByte) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Send(mqtt::Unsubscribe{9, {"$iothub/methods/post/#", mqtt::kMethodsFilter}});
  harness.SubscriptionsSaved(0);
  EXPECT_THAT(harness.Take5<mqtt::Unsuback>().codes, ElementsAre(0x11, 0));
  EXPECT_EQ(harness.connection().subscriptions(), 0u);
}

TEST(Level5SubscribeTest, Mqtt5_3_10_4_2AfterUnsubscribeNothingIsSent) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Send(mqtt::Unsubscribe{9, {mqtt::kMethodsFilter}});
  harness.SubscriptionsSaved(0);
  harness.TakeOutput();
  harness.Call(harness.NewCall(1));
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(Level5SubscribeTest, Mqtt5_3_10_4_4And5UnsubscribeIsAcknowledgedEvenOfNothing) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Send(mqtt::Unsubscribe{9, {mqtt::kMethodsFilter}});
  const auto unsuback = harness.Take5<mqtt::Unsuback>();
  EXPECT_EQ(unsuback.packet_id, 9);
  EXPECT_THAT(unsuback.codes, ElementsAre(0x11));
}

TEST(Level5SubscribeTest, Mqtt5_3_10_4_6And3_11_3_1OneUnsubackWithTheCodesInOrder) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit | kDesiredBit);
  harness.Send(mqtt::Unsubscribe{9, {mqtt::kDesiredFilter, "x", mqtt::kMethodsFilter}});
  harness.SubscriptionsSaved(0);
  EXPECT_THAT(harness.Take5<mqtt::Unsuback>().codes, ElementsAre(0, 0x11, 0));
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
