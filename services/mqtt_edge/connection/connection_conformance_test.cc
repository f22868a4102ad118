// Statements of MQTT 3.1.1, Appendix B, that no other test is named after; docs/mqtt-conformance.md lists them all.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using mqtt::ConnectCode;

constexpr char kEvents[] = "devices/dev-1/messages/events/";

mqtt::Connect WithWill() {
  mqtt::Connect connect = Harness::NodeConnect();
  connect.will = mqtt::Will{.topic = kEvents, .payload = "gone", .qos = 1};
  return connect;
}

void Connect(Harness& harness, const mqtt::Connect& connect) {
  harness.Send(connect);
  harness.Open({ConnectCode::kAccepted, 7, 0, false, std::nullopt});
  harness.TakeOutput();
}

// The bytes, sent by a connected device, end its connection without an answer.
void ExpectClosed(std::string_view bytes) {
  Harness harness;
  harness.ConnectWith(0);
  harness.SendBytes(bytes);
  EXPECT_FALSE(harness.is_open());
  EXPECT_EQ(harness.TakeOutput(), "");
}

// --- Packet ids ---

TEST(ConformanceTest, Mqtt2_3_1_5NoPacketIdAtQos0) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.SendBytes("\x30\x1b\0\x18$iothub/twin/GET/?$rid=3 "s);
  EXPECT_THAT(harness.hub().reads, ::testing::ElementsAre("3"));
}

TEST(ConformanceTest, Mqtt2_3_1_6PubackHasThePacketsId) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Publish(kEvents, "t", 1, 0xfffe);
  EXPECT_EQ(harness.TakeOutput(), "\x40\x02\xff\xfe"s);
}

TEST(ConformanceTest, Mqtt2_3_1_7SubackAndUnsubackHaveThePacketsId) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Send(mqtt::Subscribe{0xfffe, {{mqtt::kMethodsFilter, 0}}});
  EXPECT_EQ(harness.TakeOutput(), "\x90\x03\xff\xfe\0"s);
  harness.Send(mqtt::Unsubscribe{0xfffd, {"x"}});
  EXPECT_EQ(harness.TakeOutput(), "\xb0\x02\xff\xfd"s);
}

// --- CONNECT ---

TEST(ConformanceTest, Mqtt3_1_2_4And4_1_0_1WithoutCleanSessionTheStateIsResumed) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  EXPECT_FALSE(harness.hub().opens[0].clean_session);
  EXPECT_EQ(harness.connection().subscriptions(), kMethodsBit);
}

TEST(ConformanceTest, Mqtt3_1_2_6CleanSessionKeepsNothing) {
  Harness harness;
  mqtt::Connect connect = Harness::NodeConnect();
  connect.clean_session = true;
  Connect(harness, connect);
  harness.Send(mqtt::Subscribe{1, {{mqtt::kMethodsFilter, 0}}});
  ASSERT_EQ(harness.hub().changes.size(), 1u);
  EXPECT_FALSE(harness.hub().changes[0].durable);
}

TEST(ConformanceTest, Mqtt3_1_2_8And12WillIsPublishedWhenOneWasGiven) {
  Harness with;
  Connect(with, WithWill());
  with.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  EXPECT_EQ(with.dropped(Dropped::kWill), 1);
  Harness without;
  Connect(without, Harness::NodeConnect());
  without.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  EXPECT_EQ(without.dropped(Dropped::kWill), 0);
}

TEST(ConformanceTest, Mqtt3_1_2_10WillIsRemovedByPublishingItAndByDisconnect) {
  Harness published;
  Connect(published, WithWill());
  for (int i = 0; i < 2; ++i) {
    published.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kKeepAlive, turn); });
  }
  EXPECT_EQ(published.dropped(Dropped::kWill), 1);
  Harness disconnected;
  Connect(disconnected, WithWill());
  disconnected.Send(mqtt::Disconnect{});
  EXPECT_EQ(disconnected.dropped(Dropped::kWill), 0);
}

TEST(ConformanceTest, Mqtt3_1_2_24SilenceOfOneAndAHalfKeepAlivesCloses) {
  Harness harness;
  mqtt::Connect connect = Harness::NodeConnect();
  connect.keep_alive_seconds = 10;
  Connect(harness, connect);
  harness.AdvanceWithTimers(absl::Seconds(14));
  EXPECT_TRUE(harness.is_open());
  harness.AdvanceWithTimers(absl::Seconds(1));
  EXPECT_EQ(harness.close_reason(), CloseReason::kKeepAlive);
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(ConformanceTest, Mqtt3_1_3_1To3ClientIdComesFirstAndMustBeThere) {
  Harness harness;
  harness.SendBytes("\x10\x0a\0\x04MQTT\x04\x02\0\x3c"s);
  EXPECT_EQ(harness.close_reason(), CloseReason::kProtocol);
  const std::string bytes = BytesOf(WithWill());
  EXPECT_LT(bytes.find("dev-1"), bytes.find(kEvents));
  EXPECT_LT(bytes.find(kEvents), bytes.find("gone"));
  EXPECT_LT(bytes.find("gone"), bytes.find("hub.test.local/dev-1"));
  EXPECT_LT(bytes.find("hub.test.local/dev-1"), bytes.find("SharedAccess"));
}

TEST(ConformanceTest, Mqtt3_1_3_5SimpleClientIdsAreAllowed) {
  Harness harness;
  mqtt::Connect connect = Harness::NodeConnect();
  connect.client_id = "0123456789ABCDEFabcdefz";
  connect.username = "hub.test.local/0123456789ABCDEFabcdefz/";
  harness.Send(connect);
  EXPECT_EQ(harness.hub().opens.size(), 1u);
}

TEST(ConformanceTest, Mqtt3_1_3_7To9BadClientIdsAreConnack2AndTheEnd) {
  for (const bool clean : {false, true}) {
    Harness harness;
    mqtt::Connect connect = Harness::NodeConnect();
    connect.client_id = "";
    connect.clean_session = clean;
    harness.Send(connect);
    EXPECT_EQ(harness.TakeOutput(), "\x20\x02\0\x02"s);
    EXPECT_FALSE(harness.is_open());
  }
}

TEST(ConformanceTest, Mqtt3_1_3_10And11WillTopicAndUserNameAreText) {
  mqtt::Connect will = WithWill();
  will.will->topic = "a\xff";
  mqtt::Connect user = Harness::NodeConnect();
  user.username = "a\xff";
  for (const mqtt::Connect& connect : {will, user}) {
    Harness harness;
    harness.Send(connect);
    EXPECT_EQ(harness.close_reason(), CloseReason::kProtocol);
    EXPECT_EQ(harness.TakeOutput(), "");
  }
}

TEST(ConformanceTest, Mqtt3_1_4_2TheOlderConnectionOfAClientIdEnds) {
  Harness harness;
  harness.ConnectWith(0);
  harness.In([](Connection& connection, Turn& turn) { connection.OnDisconnectOrder(7, turn); });
  EXPECT_EQ(harness.close_reason(), CloseReason::kTakenOver);
  EXPECT_EQ(harness.TakeOutput(), "");  // 3.1.1 has no packet for it.
}

TEST(ConformanceTest, Mqtt3_1_4_3And4CleanSessionIsProcessedAndAcknowledged) {
  Harness harness;
  mqtt::Connect connect = Harness::NodeConnect();
  connect.clean_session = true;
  harness.Send(connect);
  EXPECT_TRUE(harness.hub().opens[0].clean_session);
  harness.Open({ConnectCode::kAccepted, 7, kMethodsBit, true, std::nullopt});
  EXPECT_EQ(harness.TakeOutput(), "\x20\x02\0\0"s);
  EXPECT_EQ(harness.connection().subscriptions(), 0u);
}

TEST(ConformanceTest, Mqtt3_1_4_5AfterARejectionNothingIsProcessed) {
  Harness harness;
  harness.SendBytes(BytesOf(Harness::NodeConnect()) + "\xc0\0"s);
  harness.Open({ConnectCode::kNotAuthorized, 0, 0, false, std::nullopt});
  EXPECT_EQ(harness.TakeOutput(), "\x20\x02\0\x05"s);
}

TEST(ConformanceTest, Mqtt3_2_0_1ConnackComesFirst) {
  Harness harness;
  harness.SendBytes(BytesOf(Harness::NodeConnect()) + "\xc0\0"s);
  EXPECT_EQ(harness.TakeOutput(), "");
  harness.Open({ConnectCode::kAccepted, 7, 0, false, std::nullopt});
  EXPECT_EQ(harness.TakeOutput(), "\x20\x02\0\0\xd0\0"s);
}

TEST(ConformanceTest, Mqtt3_2_2_1To3SessionPresentSaysWhetherOneIsResumed) {
  for (const bool present : {false, true}) {
    for (const bool clean : {false, true}) {
      Harness harness;
      mqtt::Connect connect = Harness::NodeConnect();
      connect.clean_session = clean;
      harness.Send(connect);
      harness.Open({ConnectCode::kAccepted, 7, 0, present, std::nullopt});
      EXPECT_EQ(harness.TakeOutput(), present && !clean ? "\x20\x02\x01\0"s : "\x20\x02\0\0"s);
    }
  }
}

TEST(ConformanceTest, Mqtt3_2_2_4And5ARefusalHasNoSessionAndCloses) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.Open({ConnectCode::kServerUnavailable, 0, kMethodsBit, true, std::nullopt});
  EXPECT_EQ(harness.TakeOutput(), "\x20\x02\0\x03"s);
  EXPECT_FALSE(harness.is_open());
}

// --- PUBLISH ---

TEST(ConformanceTest, Mqtt3_3_2_1TopicIsText) { ExpectClosed("\x30\x03\0\x01\xff"s); }

TEST(ConformanceTest, Mqtt3_3_4_1And4_3_2_2QosOneIsAcknowledgedQosZeroIsNot) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Publish(kEvents, "t", 0);
  EXPECT_EQ(harness.TakeOutput(), "");
  for (int i = 0; i < 20; ++i) {  // The id is new again each time.
    harness.Publish(kEvents, "t", 1, 5);
    EXPECT_EQ(harness.TakeOutput(), "\x40\x02\0\x05"s);
  }
}

TEST(ConformanceTest, Mqtt3_3_5_1And4_3_1_1OneCopyAtQosZeroWithoutDup) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(1));
  const std::string output = harness.TakeOutput();
  EXPECT_EQ(output[0], '\x30');  // QoS 0, DUP 0, RETAIN 0.
  EXPECT_EQ(output, MethodRequest("lockDoor", 1, "{}"));
}

TEST(ConformanceTest, Mqtt3_3_5_2AnUnauthorizedPublishCloses) {
  ExpectClosed(BytesOf(mqtt::Publish{.qos = 1, .packet_id = 1, .topic = "devices/dev-2/messages/events/"}));
}

TEST(ConformanceTest, Mqtt3_6_1_1PubrelCloses) {
  ExpectClosed("\x60\x02\0\x01"s);
  ExpectClosed("\x62\x02\0\x01"s);
}

TEST(ConformanceTest, Mqtt4_6_0_5And6RequestsKeepTheirOrder) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  std::string expected;
  for (uint64_t id = 1; id <= 3; ++id) {
    harness.Call(harness.NewCall(id));
    expected += MethodRequest("lockDoor", id, "{}");
  }
  EXPECT_EQ(harness.TakeOutput(), expected);
}

// --- SUBSCRIBE, UNSUBSCRIBE ---

TEST(ConformanceTest, Mqtt3_8_1_1And3_10_1_1FlagsAre0010) {
  ExpectClosed("\x80\x06\0\x01\0\x01t\0"s);
  ExpectClosed("\xa0\x05\0\x01\0\x01t"s);
}

TEST(ConformanceTest, Mqtt3_8_3_1And3_10_3_1FiltersAreText) {
  ExpectClosed("\x82\x06\0\x01\0\x01\xff\0"s);
  ExpectClosed("\xa2\x05\0\x01\0\x01\xff"s);
}

TEST(ConformanceTest, Mqtt3_8_3_2WildcardsOutsideOfTheVocabularyAreRejected) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{1, {{"#", 0}}});
  EXPECT_EQ(harness.close_reason(), CloseReason::kForbiddenTopic);
}

TEST(ConformanceTest, Mqtt3_8_4_1And2And4To6OneSubackWithACodeForEachFilter) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{9, {{mqtt::kTwinResponsesFilter, 2}, {mqtt::kMethodsFilter, 0}}});
  harness.SubscriptionsSaved(kMethodsBit | kTwinResponsesBit);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x04\0\x09\x01\0"s);  // Two was asked, one is granted (MQTT-3.8.4-6).
}

TEST(ConformanceTest, Mqtt3_9_3_1And2CodesAreInOrderAndOnlyTheFour) {
  Harness harness({.close_on_bad_filter = false});
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{9, {{"x", 0}, {mqtt::kMethodsFilter, 1}, {mqtt::kTwinResponsesFilter, 0}}});
  harness.SubscriptionsSaved(kMethodsBit | kTwinResponsesBit);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x05\0\x09\x80\x01\0"s);
}

TEST(ConformanceTest, Mqtt3_10_4_1And2FiltersAreComparedByteForByteThenNothingIsSent) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Send(mqtt::Unsubscribe{1, {"$iothub/methods/post/#"}});
  harness.TakeOutput();
  harness.Call(harness.NewCall(1));
  EXPECT_NE(harness.TakeOutput(), "");
  harness.Send(mqtt::Unsubscribe{2, {mqtt::kMethodsFilter}});
  harness.SubscriptionsSaved(0);
  harness.TakeOutput();
  harness.Call(harness.NewCall(2));
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(ConformanceTest, Mqtt3_10_4_4To6OneUnsubackAlways) {
  Harness harness;
  harness.ConnectWith(kMethodsBit | kDesiredBit);
  harness.Send(mqtt::Unsubscribe{9, {mqtt::kMethodsFilter, "nothing", mqtt::kDesiredFilter}});
  harness.SubscriptionsSaved(0);
  EXPECT_EQ(harness.TakeOutput(), "\xb0\x02\0\x09"s);
  harness.Send(mqtt::Unsubscribe{10, {"nothing"}});
  EXPECT_EQ(harness.TakeOutput(), "\xb0\x02\0\x0a"s);
}

// --- PINGREQ, DISCONNECT, topics, errors ---

TEST(ConformanceTest, Mqtt3_12_4_1PingIsAnswered) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Pingreq{});
  EXPECT_EQ(harness.TakeOutput(), "\xd0\0"s);
}

TEST(ConformanceTest, Mqtt3_14_1_1FlagsOfDisconnectAreZero) { ExpectClosed("\xe1\0"s); }

TEST(ConformanceTest, Mqtt4_7_1_1To3MisplacedWildcardsAreRejected) {
  for (const std::string_view filter : {"$iothub/methods/POST#", "$iothub/#/POST", "$iothub/m+/POST/#"}) {
    Harness harness;
    harness.ConnectWith(0);
    harness.Send(mqtt::Subscribe{1, {{filter, 0}}});
    EXPECT_EQ(harness.close_reason(), CloseReason::kForbiddenTopic) << filter;
  }
}

TEST(ConformanceTest, Mqtt4_7_2_1LeadingWildcardsMatchNothing) {
  Harness harness({.close_on_bad_filter = false});
  harness.ConnectWith(0);
  harness.Send(mqtt::Subscribe{1, {{"#", 0}, {"+/methods/POST/#", 0}}});
  harness.TakeOutput();
  harness.Call(harness.NewCall(1));
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(ConformanceTest, Mqtt4_7_3_2To4TopicsAreNotNormalized) {
  ExpectClosed("\x30\x04\0\x02t\0"s);
  for (const std::string_view topic :
       {"/devices/dev-1/messages/events/", "devices//dev-1/messages/events/", "Devices/dev-1/messages/events/"}) {
    ExpectClosed(BytesOf(mqtt::Publish{.topic = topic}));
  }
  Harness longest;
  longest.ConnectWith(0);
  longest.Publish(kEvents + std::string(65535 - sizeof(kEvents) + 1, 'x'), "t", 1, 5);
  EXPECT_EQ(longest.TakeOutput(), "\x40\x02\0\x05"s);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
