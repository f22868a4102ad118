// A connection at MQTT 5: PUBLISH and topic aliases.
// Tests that are named after a number are statements of Appendix B of its standard.
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"
#include "services/mqtt_edge/connection/level5_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using mqtt::ReasonCode;

TEST(Level5PublishTest, Mqtt5_3_3_4_1QosOneIsAcknowledged) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Publish("devices/dev-1/messages/events/", "t", 1, 9);
  const auto puback = harness.Take5<mqtt::Puback>();
  EXPECT_EQ(puback.packet_id, 9);
  EXPECT_EQ(puback.reason, ReasonCode::kSuccess);
  harness.Publish("devices/dev-1/messages/events/", "t", 0);
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(Level5PublishTest, Mqtt5_2_2_1_5PubackHasThePacketsId) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Publish("devices/dev-1/messages/events/", "t", 1, 0xfffe);
  EXPECT_EQ(harness.Take5<mqtt::Puback>().packet_id, 0xfffe);
}

TEST(Level5PublishTest, Mqtt5_4_3_2_5AfterPubackTheIdIsNewAgain) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  for (int i = 0; i < 20; ++i) {
    harness.Publish("devices/dev-1/messages/events/", "t", 1, 9);
    EXPECT_EQ(harness.Take5<mqtt::Puback>().packet_id, 9);
  }
}

TEST(Level5PublishTest, RefusedTopicsAreToldInPubackAndTheConnectionStays) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Publish("free/topic", "t", 1, 1);
  EXPECT_EQ(harness.Take5<mqtt::Puback>().reason, ReasonCode::kTopicNameInvalid);
  harness.Publish("devices/dev-2/messages/events/", "t", 1, 2);
  EXPECT_EQ(harness.Take5<mqtt::Puback>().reason, ReasonCode::kNotAuthorized);
  harness.Publish("devices/dev-1/messages/events/=x", "t", 1, 3);
  EXPECT_EQ(harness.Take5<mqtt::Puback>().reason, ReasonCode::kTopicNameInvalid);
  EXPECT_TRUE(harness.is_open());
  EXPECT_EQ(harness.dropped(Dropped::kRefusedPublish), 3);
}

TEST(Level5PublishTest, RefusedTopicsAtQosZeroEndTheConnection) {
  ExpectDisconnect(Bytes5(mqtt::Publish{.topic = "free/topic"}), ReasonCode::kTopicNameInvalid);
  ExpectDisconnect(Bytes5(mqtt::Publish{.topic = "devices/dev-2/messages/events/"}), ReasonCode::kNotAuthorized);
}

TEST(Level5PublishTest, TextThatIsNoneHears0x99) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  mqtt::Publish publish{.qos = 1, .packet_id = 5, .topic = "devices/dev-1/messages/events/", .payload = "\xff"};
  publish.properties.is_text = true;
  harness.Send(publish);
  EXPECT_EQ(harness.Take5<mqtt::Puback>().reason, ReasonCode::kPayloadFormatInvalid);
  publish.payload = "\xe2\x82\xac";
  harness.Send(publish);
  EXPECT_EQ(harness.Take5<mqtt::Puback>().reason, ReasonCode::kSuccess);
}

TEST(Level5PublishTest, OversizeAnswersHear0x97) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Publish("$iothub/methods/res/200/?$rid=1", std::string(128 * 1024 + 1, 'x'), 1, 5);
  EXPECT_EQ(harness.Take5<mqtt::Puback>().reason, ReasonCode::kQuotaExceeded);
}

TEST(Level5PublishTest, Mqtt5_3_2_2_11QosTwoEndsTheConnection) {
  ExpectDisconnect(Bytes5(mqtt::Publish{.qos = 2, .packet_id = 1, .topic = "devices/dev-1/messages/events/"}),
                   ReasonCode::kQosNotSupported);
}

TEST(Level5PublishTest, Mqtt5_3_2_2_14RetainEndsTheConnection) {
  ExpectDisconnect(Bytes5(mqtt::Publish{.retain = true, .topic = "devices/dev-1/messages/events/"}),
                   ReasonCode::kRetainNotSupported);
}

TEST(Level5PublishTest, Mqtt5_3_3_4_6SubscriptionIdEndsTheConnection) {
  ExpectDisconnect(
      Bytes5(mqtt::Publish{.topic = "devices/dev-1/messages/events/", .properties = {.subscription_id = 1}}),
      ReasonCode::kProtocolError);
}

TEST(Level5PublishTest, Mqtt5_3_3_4_7MoreThanReceiveMaximumEndsTheConnection) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Call(harness.NewCall(1));
  harness.TakeOutput();
  harness.Publish("$iothub/methods/res/200/?$rid=1", "{}", 1,
                  1);  // Waits until it is taken; the others wait behind it.
  for (uint16_t id = 2; id <= 16; ++id) harness.Publish("devices/dev-1/messages/events/", "t", 1, id);
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_TRUE(harness.connection().wants_read());
  harness.Publish("devices/dev-1/messages/events/", "t", 1, 17);
  EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, ReasonCode::kReceiveMaximumExceeded);
}

TEST(Level5PublishTest, Mqtt5_4_9_0_3OtherPacketsAreProcessedWhenTheQuotaIsUsedUp) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Call(harness.NewCall(1));
  harness.Publish("$iothub/methods/res/200/?$rid=1", "{}", 1, 1);
  for (uint16_t id = 2; id <= 16; ++id) harness.Publish("devices/dev-1/messages/events/", "t", 1, id);
  harness.TakeOutput();
  harness.Send(mqtt::Pingreq{});
  harness.Publish("devices/dev-1/messages/events/", "t", 0);
  EXPECT_EQ(harness.TakeOutput(), "\xd0\0"s);
  harness.In([](Connection& connection, Turn& turn) { connection.OnAnswerTaken(1, turn); });
  EXPECT_EQ(harness.TakeOutput().size(), 16 * Bytes5(mqtt::Puback{1}).size());
}

TEST(Level5PublishTest, PubacksKeepTheirOrderAndReasons) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Call(harness.NewCall(1));
  harness.TakeOutput();
  harness.Publish("$iothub/methods/res/200/?$rid=1", "{}", 1, 1);
  harness.Publish("free/topic", "t", 1, 2);
  EXPECT_EQ(harness.TakeOutput(), "");
  harness.In([](Connection& connection, Turn& turn) { connection.OnAnswerTaken(1, turn); });
  EXPECT_EQ(harness.TakeOutput(), Bytes5(mqtt::Puback{1}) + Bytes5(mqtt::Puback{2, ReasonCode::kTopicNameInvalid}));
}

TEST(Level5PublishTest, Mqtt5_3_6_1_1PubrelEndsTheConnection) {
  ExpectDisconnect("\x62\x02\0\x01"s, ReasonCode::kProtocolError);
  ExpectDisconnect("\x60\x02\0\x01"s, ReasonCode::kProtocolError);
}

// --- Topic aliases ---

mqtt::Publish WithAlias(uint16_t alias, std::string_view topic) {
  return {.qos = 1,
          .packet_id = static_cast<uint16_t>(alias + 1),
          .topic = topic,
          .payload = "t",
          .properties = {.topic_alias = alias}};
}

TEST(Level5AliasTest, Mqtt5_3_3_2_12AllUpToTheMaximumAreAccepted) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  for (uint16_t alias = 1; alias <= 16; ++alias) {
    harness.Send(WithAlias(alias, "devices/dev-1/messages/events/n=" + std::to_string(alias)));
    EXPECT_EQ(harness.Take5<mqtt::Puback>().reason, ReasonCode::kSuccess);
  }
  for (uint16_t alias = 1; alias <= 16; ++alias) {
    harness.Send(WithAlias(alias, ""));
    EXPECT_EQ(harness.Take5<mqtt::Puback>().reason, ReasonCode::kSuccess);
  }
  EXPECT_EQ(harness.dropped(Dropped::kTelemetry), 32);
}

TEST(Level5AliasTest, Mqtt5_3_2_2_17AboveTheMaximumHears0x94) {
  ExpectDisconnect(Bytes5(WithAlias(17, "devices/dev-1/messages/events/")), ReasonCode::kTopicAliasInvalid);
}

TEST(Level5AliasTest, Mqtt5_3_3_2_8ZeroHears0x94) {
  ExpectDisconnect(Bytes5(WithAlias(0, "devices/dev-1/messages/events/")), ReasonCode::kTopicAliasInvalid);
}

TEST(Level5AliasTest, Mqtt5_3_3_2_7NoneIsCarriedToAnotherConnection) {
  Harness first;
  first.ConnectWith5(Harness::Connect5());
  first.Send(WithAlias(1, "devices/dev-1/messages/events/"));
  ExpectDisconnect(Bytes5(WithAlias(1, "")), ReasonCode::kProtocolError);
}

TEST(Level5AliasTest, ANewTopicReplacesTheOldOne) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Send(WithAlias(1, "free/topic"));
  EXPECT_EQ(harness.Take5<mqtt::Puback>().reason, ReasonCode::kTopicNameInvalid);
  harness.Send(WithAlias(1, "devices/dev-1/messages/events/"));
  harness.TakeOutput();
  harness.Send(WithAlias(1, ""));
  EXPECT_EQ(harness.Take5<mqtt::Puback>().reason, ReasonCode::kSuccess);
}

TEST(Level5AliasTest, TheirMemoryIsBounded) {
  TopicAliases aliases;
  const std::string long_topic(TopicAliases::kBytesMax, 't');
  std::string_view topic = long_topic;
  EXPECT_EQ(aliases.Resolve(1, &topic), ReasonCode::kSuccess);
  EXPECT_EQ(aliases.Resolve(1, &topic), ReasonCode::kSuccess);
  std::string_view one = "t";
  EXPECT_EQ(aliases.Resolve(2, &one), ReasonCode::kQuotaExceeded);
  EXPECT_EQ(aliases.Resolve(1, &one), ReasonCode::kSuccess);
  EXPECT_EQ(aliases.Resolve(2, &one), ReasonCode::kSuccess);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
