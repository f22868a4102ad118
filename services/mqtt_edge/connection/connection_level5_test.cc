// A connection at MQTT 5. Tests that are named after a number are statements of Appendix B of its standard.
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using mqtt::ConnectCode;
using mqtt::ReasonCode;
using ::testing::ElementsAre;

mqtt::Connect CleanConnect5(std::optional<uint32_t> session_expiry = std::nullopt) {
  mqtt::Connect connect = Harness::Connect5();
  connect.clean_session = true;
  connect.properties.session_expiry_seconds = session_expiry;
  return connect;
}

mqtt::Connect WillConnect5() {
  mqtt::Connect connect = Harness::Connect5();
  connect.will = mqtt::Will{.topic = "devices/dev-1/messages/events/", .payload = "gone", .qos = 1};
  return connect;
}

mqtt::Connect SasConnect5() {
  mqtt::Connect connect = Harness::Connect5();
  connect.password.reset();
  connect.properties.authentication_method = kSasMethod;
  connect.properties.authentication_data = kDevicePassword;
  return connect;
}

// A CONNECT that is refused at the edge with this reason.
void ExpectRefused(const mqtt::Connect& connect, ReasonCode reason) {
  Harness harness;
  harness.SendConnect5(connect);
  EXPECT_EQ(harness.Take5<mqtt::Connack>().reason, reason);
  EXPECT_FALSE(harness.is_open());
  EXPECT_TRUE(harness.hub().opens.empty());
}

// A connected device says these bytes, and the edge ends the connection with this reason.
void ExpectDisconnect(std::string_view bytes, ReasonCode reason) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.SendBytes(bytes);
  EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, reason);
  EXPECT_FALSE(harness.is_open());
}

template <typename Packet>
std::string Bytes5(const Packet& packet) {
  std::string bytes;
  mqtt::Encode(packet, &bytes, mqtt::kLevel5);
  return bytes;
}

// --- CONNECT, CONNACK ---

TEST(Level5ConnectTest, ConnackSaysWhatIsOffered) {
  Harness harness;
  const mqtt::Connack connack = harness.ConnectWith5(Harness::Connect5());
  EXPECT_EQ(connack.reason, ReasonCode::kSuccess);
  EXPECT_EQ(connack.properties.receive_maximum, 16);
  EXPECT_EQ(connack.properties.packet_bytes_max, 294'912u);
  EXPECT_EQ(connack.properties.topic_alias_maximum, 16);
  EXPECT_EQ(connack.properties.retain_available, false);
  EXPECT_EQ(connack.properties.subscription_ids_available, false);
  EXPECT_EQ(connack.properties.shared_available, false);
  EXPECT_FALSE(connack.properties.server_keep_alive_seconds.has_value());
  EXPECT_FALSE(connack.properties.session_expiry_seconds.has_value());
  EXPECT_FALSE(connack.properties.wildcard_available.has_value());
}

TEST(Level5ConnectTest, Mqtt5_3_2_2_9MaximumQosIsOne) {
  Harness harness;
  EXPECT_EQ(harness.ConnectWith5(Harness::Connect5()).properties.maximum_qos, true);
}

TEST(Level5ConnectTest, Mqtt5_3_1_2_28NoResponseInformation) {
  Harness harness;
  mqtt::Connect connect = Harness::Connect5();
  connect.properties.request_response_information = true;
  EXPECT_FALSE(harness.ConnectWith5(connect).properties.response_information.has_value());
}

TEST(Level5ConnectTest, Mqtt5_3_1_2_4CleanStartDiscardsTheSession) {
  Harness harness;
  harness.ConnectWith5(CleanConnect5(60), kMethodsBit);
  EXPECT_TRUE(harness.hub().opens[0].clean_session);
  EXPECT_EQ(harness.connection().subscriptions(), 0u);
}

TEST(Level5ConnectTest, Mqtt5_3_1_2_5WithoutCleanStartTheSessionIsResumed) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  EXPECT_FALSE(harness.hub().opens[0].clean_session);
  EXPECT_EQ(harness.connection().subscriptions(), kMethodsBit);
}

TEST(Level5ConnectTest, Mqtt5_3_1_2_6WithoutASessionANewOneIsMade) {
  Harness harness;
  EXPECT_FALSE(harness.ConnectWith5(Harness::Connect5(), 0, false).session_present);
  EXPECT_TRUE(harness.is_open());
}

TEST(Level5ConnectTest, Mqtt5_3_1_2_23SessionsWithAnExpiryAreStored) {
  for (const uint32_t expiry : {0u, 1u}) {
    Harness harness;
    mqtt::Connect connect = Harness::Connect5();
    connect.properties.session_expiry_seconds = expiry;
    harness.ConnectWith5(connect);
    harness.Send(mqtt::Subscribe{1, {{mqtt::kMethodsFilter, 0}}});
    ASSERT_EQ(harness.hub().changes.size(), 1u);
    EXPECT_EQ(harness.hub().changes[0].durable, expiry > 0);
    EXPECT_EQ(harness.hub().opens[0].ends_with_connection, expiry == 0);
  }
}

TEST(Level5ConnectTest, CleanStartWithAnExpiryIsStoredToo) {
  Harness harness;
  harness.ConnectWith5(CleanConnect5(60));
  harness.Send(mqtt::Subscribe{1, {{mqtt::kMethodsFilter, 0}}});
  EXPECT_TRUE(harness.hub().changes[0].durable);
  EXPECT_FALSE(harness.hub().opens[0].ends_with_connection);
}

TEST(Level5ConnectTest, SessionExpiryIsCutAtSevenDays) {
  Harness harness;
  EXPECT_EQ(harness.ConnectWith5(CleanConnect5(UINT32_MAX)).properties.session_expiry_seconds, 604'800u);
  Harness week;
  EXPECT_FALSE(week.ConnectWith5(CleanConnect5(604'800)).properties.session_expiry_seconds.has_value());
}

TEST(Level5ConnectTest, ServerKeepAliveIsToldToWhoAsksForMoreOrForNone) {
  for (const auto& [asked, told] : std::vector<std::pair<uint16_t, std::optional<uint16_t>>>{
           {0, 1177}, {1178, 1177}, {65535, 1177}, {1177, std::nullopt}, {1, std::nullopt}}) {
    Harness harness;
    mqtt::Connect connect = Harness::Connect5();
    connect.keep_alive_seconds = asked;
    EXPECT_EQ(harness.ConnectWith5(connect).properties.server_keep_alive_seconds, told);
    if (told.has_value()) {
      harness.AdvanceWithTimers(absl::Seconds(1765));
      EXPECT_TRUE(harness.is_open());
      harness.AdvanceWithTimers(absl::Seconds(1));
      EXPECT_EQ(harness.close_reason(), CloseReason::kKeepAlive);
    }
  }
}

TEST(Level5ConnectTest, Mqtt5_3_2_2_22WithoutServerKeepAliveTheClientsCounts) {
  Harness harness;
  mqtt::Connect connect = Harness::Connect5();
  connect.keep_alive_seconds = 10;
  harness.ConnectWith5(connect);
  harness.AdvanceWithTimers(absl::Seconds(14));
  EXPECT_TRUE(harness.is_open());
  harness.AdvanceWithTimers(absl::Seconds(1));
  EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, ReasonCode::kKeepAliveTimeout);
}

TEST(Level5ConnectTest, Mqtt5_3_1_2_22SilenceEndsTheConnection) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.AdvanceWithTimers(absl::Seconds(270));
  EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, ReasonCode::kKeepAliveTimeout);
  EXPECT_EQ(harness.close_reason(), CloseReason::kKeepAlive);
}

TEST(Level5ConnectTest, Mqtt5_3_1_3_5SimpleClientIdsAreAllowed) {
  Harness harness;
  mqtt::Connect connect = Harness::Connect5();
  connect.client_id = "0123456789ABCDEFabcdefz";
  connect.username = "hub.test.local/0123456789ABCDEFabcdefz/";
  EXPECT_EQ(harness.ConnectWith5(connect).reason, ReasonCode::kSuccess);
}

TEST(Level5ConnectTest, Mqtt5_3_1_3_8BadClientIdsHear0x85) {
  for (const std::string_view id : {"", "dev-2", "dev-1/mod"}) {
    mqtt::Connect connect = Harness::Connect5();
    connect.client_id = id;
    ExpectRefused(connect, ReasonCode::kClientIdentifierNotValid);
  }
}

TEST(Level5ConnectTest, Mqtt5_3_1_4_1MalformedConnectHears0x81) {
  std::string flags = Bytes5(Harness::Connect5());
  flags[flags.find("MQTT") + 5] |= 1;
  std::string trailing = Bytes5(Harness::Connect5()) + "x";
  trailing[1] = static_cast<char>(trailing[1] + 1);
  for (const std::string& bytes : {flags, trailing}) {
    Harness harness;
    harness.SendBytes(bytes);
    EXPECT_EQ(harness.Take5<mqtt::Connack>().reason, ReasonCode::kMalformedPacket);
    EXPECT_EQ(harness.close_reason(), CloseReason::kProtocol);
  }
}

TEST(Level5ConnectTest, ProtocolErrorsInConnectHear0x82) {
  mqtt::Connect connect = Harness::Connect5();
  connect.properties.receive_maximum = 0;
  ExpectRefused(connect, ReasonCode::kProtocolError);
}

TEST(Level5ConnectTest, Mqtt5_3_1_4_2RefusalsOfTheHubAreTheirReason) {
  for (const auto& [code, reason] : std::vector<std::pair<ConnectCode, ReasonCode>>{
           {ConnectCode::kIdentifierRejected, ReasonCode::kClientIdentifierNotValid},
           {ConnectCode::kServerUnavailable, ReasonCode::kServerUnavailable},
           {ConnectCode::kBadCredentials, ReasonCode::kBadUserNameOrPassword},
           {ConnectCode::kNotAuthorized, ReasonCode::kNotAuthorized}}) {
    Harness harness;
    harness.SendConnect5(Harness::Connect5());
    harness.Open({code, 0, kMethodsBit, true, std::nullopt});
    const mqtt::Connack connack = harness.Take5<mqtt::Connack>();
    EXPECT_EQ(connack.reason, reason);
    EXPECT_FALSE(connack.session_present);
    EXPECT_EQ(harness.close_reason(), CloseReason::kRefused);
  }
}

TEST(Level5ConnectTest, BadUserNameHears0x86AndNoLink0x88) {
  mqtt::Connect connect = Harness::Connect5();
  connect.username = "no-device";
  ExpectRefused(connect, ReasonCode::kBadUserNameOrPassword);
  Harness harness;
  harness.hub().link = kNoLink;
  harness.SendConnect5(Harness::Connect5());
  EXPECT_EQ(harness.Take5<mqtt::Connack>().reason, ReasonCode::kServerUnavailable);
}

TEST(Level5ConnectTest, Mqtt5_3_1_4_4CleanStartIsProcessed) {
  Harness harness;
  EXPECT_FALSE(harness.ConnectWith5(CleanConnect5(), kMethodsBit, true).session_present);
}

TEST(Level5ConnectTest, Mqtt5_3_1_4_5SuccessIsAcknowledged) {
  Harness harness;
  EXPECT_EQ(harness.ConnectWith5(Harness::Connect5()).reason, ReasonCode::kSuccess);
}

TEST(Level5ConnectTest, Mqtt5_3_1_4_6AfterARefusalNothingIsProcessed) {
  Harness harness;
  harness.SendBytes(Bytes5(Harness::Connect5()) + Bytes5(mqtt::Pingreq{}));
  harness.Open({ConnectCode::kNotAuthorized, 0, 0, false, std::nullopt});
  EXPECT_EQ(harness.Take5<mqtt::Connack>().reason, ReasonCode::kNotAuthorized);
}

TEST(Level5ConnectTest, Mqtt5_3_2_0_1ConnackComesFirst) {
  Harness harness;
  harness.SendBytes(Bytes5(Harness::Connect5()) + Bytes5(mqtt::Pingreq{}));
  EXPECT_EQ(harness.TakeOutput(), "");
  harness.Open({ConnectCode::kAccepted, 7, 0, false, std::nullopt});
  const std::string output = harness.TakeOutput();
  EXPECT_EQ(output[0], '\x20');
  EXPECT_EQ(output.substr(output.size() - 2), "\xd0\0"s);
}

TEST(Level5ConnectTest, Mqtt5_3_2_0_2OneConnackOnly) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Open({ConnectCode::kAccepted, 7, 0, false, std::nullopt});
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(Level5ConnectTest, Mqtt5_3_2_2_2And3SessionPresentSaysWhetherOneIsResumed) {
  for (const bool present : {false, true}) {
    Harness harness;
    EXPECT_EQ(harness.ConnectWith5(Harness::Connect5(), 0, present).session_present, present);
    Harness clean;
    EXPECT_FALSE(clean.ConnectWith5(CleanConnect5(), 0, present).session_present);
  }
}

TEST(Level5ConnectTest, Mqtt5_3_2_2_7ARefusalCloses) {
  Harness harness;
  harness.SendConnect5(Harness::Connect5());
  harness.Open({ConnectCode::kNotAuthorized, 0, 0, false, std::nullopt});
  EXPECT_FALSE(harness.is_open());
}

TEST(Level5ConnectTest, Mqtt5_3_2_2_12WillAtQosTwoIsRefused) {
  mqtt::Connect connect = WillConnect5();
  connect.will->qos = 2;
  ExpectRefused(connect, ReasonCode::kQosNotSupported);
}

TEST(Level5ConnectTest, Mqtt5_3_2_2_13RetainedWillIsRefused) {
  mqtt::Connect connect = WillConnect5();
  connect.will->retain = true;
  ExpectRefused(connect, ReasonCode::kRetainNotSupported);
}

TEST(Level5ConnectTest, ForeignWillTopicsAreNotAuthorized) {
  mqtt::Connect connect = WillConnect5();
  connect.will->topic = "devices/dev-2/messages/events/";
  ExpectRefused(connect, ReasonCode::kNotAuthorized);
}

TEST(Level5ConnectTest, DevicesThatTakeTooLittleAreRefused) {
  mqtt::Connect connect = Harness::Connect5();
  connect.properties.packet_bytes_max = 127;
  ExpectRefused(connect, ReasonCode::kImplementationSpecificError);
}

// --- Will ---

TEST(Level5WillTest, Mqtt5_3_14_4_3SuccessDiscardsTheWill) {
  Harness harness;
  harness.ConnectWith5(WillConnect5());
  harness.Send(mqtt::Disconnect{});
  EXPECT_EQ(harness.dropped(Dropped::kWill), 0);
  EXPECT_EQ(harness.close_reason(), CloseReason::kDisconnect);
}

TEST(Level5WillTest, Mqtt5_3_1_2_8OtherEndsPublishTheWill) {
  Harness disconnected;
  disconnected.ConnectWith5(WillConnect5());
  disconnected.Send(mqtt::Disconnect{ReasonCode::kDisconnectWithWill});
  EXPECT_EQ(disconnected.dropped(Dropped::kWill), 1);
  EXPECT_EQ(disconnected.close_reason(), CloseReason::kDisconnect);
  Harness lost;
  lost.ConnectWith5(WillConnect5());
  lost.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  EXPECT_EQ(lost.dropped(Dropped::kWill), 1);
}

TEST(Level5WillTest, Mqtt5_3_1_2_10OneWillIsPublishedOnce) {
  Harness harness;
  harness.ConnectWith5(WillConnect5());
  harness.Send(mqtt::Disconnect{ReasonCode::kDisconnectWithWill});
  harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  EXPECT_EQ(harness.dropped(Dropped::kWill), 1);
}

// --- PUBLISH ---

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

// --- Twin and methods ---

TEST(Level5TwinTest, Mqtt5_3_3_2_15And16ResponseTopicAndCorrelationDataComeBack) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kTwinResponsesBit);
  harness.Send(
      mqtt::Publish{.topic = "$iothub/twin/GET/?$rid=1",
                    .properties = {.response_topic = "my/topic", .correlation_data = std::string_view("\0x", 2)}});
  harness.TwinRead("1", 200, "{}", 3);
  const auto answer = harness.Take5<mqtt::Publish>();
  EXPECT_EQ(answer.topic, "$iothub/twin/res/200/?$rid=1");
  EXPECT_EQ(answer.payload, "{}");
  EXPECT_EQ(answer.properties.response_topic, "my/topic");
  EXPECT_EQ(answer.properties.correlation_data, std::string_view("\0x", 2));
  harness.Send(mqtt::Publish{.topic = "$iothub/twin/PATCH/properties/reported/?$rid=2",
                             .payload = "{}",
                             .properties = {.correlation_data = "c"}});
  harness.In([](Connection& connection, Turn& turn) { connection.OnReportedPatched("2", 204, 4, "", turn); });
  const auto patched = harness.Take5<mqtt::Publish>();
  EXPECT_EQ(patched.topic, "$iothub/twin/res/204/?$rid=2&$version=4");
  EXPECT_EQ(patched.properties.correlation_data, "c");
  EXPECT_FALSE(patched.properties.response_topic.has_value());
}

TEST(Level5TwinTest, LongCorrelationDataIsAnError) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kTwinResponsesBit);
  const std::string data(257, 'x');
  harness.Send(mqtt::Publish{.topic = "$iothub/twin/GET/?$rid=1", .properties = {.correlation_data = data}});
  EXPECT_EQ(harness.Take5<mqtt::Publish>().topic, "$iothub/twin/res/400/?$rid=1");
  EXPECT_TRUE(harness.hub().reads.empty());
}

TEST(Level5MethodTest, RequestsCarryTheTimeThatIsLeft) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Call(harness.NewCall(1));
  const auto request = harness.Take5<mqtt::Publish>();
  EXPECT_EQ(request.topic, "$iothub/methods/POST/lockDoor/?$rid=1");
  EXPECT_EQ(request.qos, 0);
  EXPECT_EQ(request.properties.message_expiry_seconds, 30u);
}

TEST(Level5MethodTest, Mqtt5_3_3_2_6TheTimeThatARequestWaitedIsTakenOff) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  MethodCall call = harness.NewCall(1);
  call.permit_expire = harness.wall() + absl::Seconds(20);
  harness.Call(call, 1000);  // The socket is full.
  harness.Advance(absl::Milliseconds(9500));
  harness.In([](Connection& connection, Turn& turn) { connection.OnDrained(turn); });
  EXPECT_EQ(harness.Take5<mqtt::Publish>().properties.message_expiry_seconds, 21u);
}

TEST(Level5MethodTest, Mqtt5_3_3_2_5AnExpiredRequestIsNotSent) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Call(harness.NewCall(1), 1000);
  harness.AdvanceWithTimers(absl::Seconds(2));
  harness.In([](Connection& connection, Turn& turn) { connection.OnDrained(turn); });
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(Level5MethodTest, Mqtt5_3_1_2_27NoTopicAliasesAreSent) {
  Harness harness;
  mqtt::Connect connect = Harness::Connect5();
  connect.properties.topic_alias_maximum = 10;
  harness.ConnectWith5(connect, kMethodsBit | kDesiredBit);
  harness.Call(harness.NewCall(1));
  EXPECT_FALSE(harness.Take5<mqtt::Publish>().properties.topic_alias.has_value());
  harness.DesiredChange(1);
  EXPECT_FALSE(harness.Take5<mqtt::Publish>().properties.topic_alias.has_value());
}

mqtt::Connect SmallConnect5() {
  mqtt::Connect connect = Harness::Connect5();
  connect.properties.packet_bytes_max = 256;
  return connect;
}

TEST(Level5SizeTest, Mqtt5_3_1_2_24MethodRequestsThatAreTooLargeAreNotSent) {
  Harness harness;
  harness.ConnectWith5(SmallConnect5(), kMethodsBit);
  MethodCall call = harness.NewCall(1);
  const std::string payload(256, '1');
  call.payload = payload;
  harness.Call(call);
  EXPECT_EQ(harness.TakeOutput(), "");
  ASSERT_EQ(harness.hub().reports.size(), 1u);
  EXPECT_EQ(harness.hub().reports[0].kind, CallReport::Kind::kNotSent);
  EXPECT_EQ(harness.hub().reports[0].reason, CallReport::Reason::kTooLarge);
  // To the byte.
  call.call_id = 2;
  call.payload = "";
  harness.Call(call);
  const size_t empty_size = harness.TakeOutput().size() - std::string_view("null").size();
  const std::string largest(256 - empty_size - 1, '1');  // One more byte for the remaining length.
  call.call_id = 3;
  call.payload = largest;
  harness.Call(call);
  EXPECT_EQ(harness.TakeOutput().size(), 256u);
}

TEST(Level5SizeTest, Mqtt5_3_1_2_25LargeChangesAreDroppedAsIfTheyHadBeenSent) {
  Harness harness;
  harness.ConnectWith5(SmallConnect5(), kDesiredBit);
  const std::string patch(300, ' ');
  harness.In([&](Connection& connection, Turn& turn) { connection.OnDesiredChange(7, 1, patch, turn); });
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_EQ(harness.dropped(Dropped::kOversizePacket), 1);
  harness.DesiredChange(2);
  EXPECT_EQ(harness.Take5<mqtt::Publish>().topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
}

TEST(Level5SizeTest, ATwinThatIsTooLargeIsAnsweredWith413) {
  Harness harness;
  harness.ConnectWith5(SmallConnect5(), kTwinResponsesBit);
  harness.Publish("$iothub/twin/GET/?$rid=1", "");
  harness.TwinRead("1", 200, std::string(300, ' '), 1);
  EXPECT_EQ(harness.Take5<mqtt::Publish>().topic, "$iothub/twin/res/413/?$rid=1");
}

// --- SUBSCRIBE, UNSUBSCRIBE ---

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

// --- PINGREQ, DISCONNECT, errors ---

TEST(Level5EndTest, Mqtt5_3_12_4_1PingIsAnswered) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.Send(mqtt::Pingreq{});
  EXPECT_EQ(harness.TakeOutput(), "\xd0\0"s);
}

TEST(Level5EndTest, Mqtt5_3_1_0_2SecondConnectIsAProtocolError) {
  ExpectDisconnect(Bytes5(Harness::Connect5()), ReasonCode::kProtocolError);
}

TEST(Level5EndTest, Mqtt5_4_13_1_1MalformedPacketsEndTheConnection) {
  ExpectDisconnect("\x82\x07\0\x01\0\0\x01t\x40"s, ReasonCode::kMalformedPacket);
  ExpectDisconnect("\xc1\0"s, ReasonCode::kMalformedPacket);
  ExpectDisconnect("\x30\xfd\xff\x11"s, ReasonCode::kPacketTooLarge);
}

TEST(Level5EndTest, Mqtt5_3_14_0_1NoDisconnectBeforeConnack) {
  Harness harness;
  harness.SendConnect5(Harness::Connect5());
  harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kDraining, turn); });
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(Level5EndTest, Mqtt5_3_14_2_2NoSessionExpiryInDisconnect) {
  Harness harness;
  harness.ConnectWith5(CleanConnect5(60));
  harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kDraining, turn); });
  EXPECT_FALSE(harness.Take5<mqtt::Disconnect>().properties.session_expiry_seconds.has_value());
}

TEST(Level5EndTest, Mqtt5_3_14_4_1AfterDisconnectNothingIsSent) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kDraining, turn); });
  harness.TakeOutput();
  harness.Call(harness.NewCall(1));
  harness.SendBytes("\xc0\0"s);
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(Level5EndTest, Mqtt5_3_14_4_2And4_13_2_1DisconnectCloses) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kSlow, turn); });
  EXPECT_FALSE(harness.is_open());
}

TEST(Level5EndTest, WhoSaysGoodbyeHearsNothing) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.SendBytes("\xe0\0\xc0\0"s);
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_EQ(harness.close_reason(), CloseReason::kDisconnect);
}

TEST(Level5EndTest, ReasonsOfTheEdge) {
  for (const auto& [close, reason] : std::vector<std::pair<CloseReason, ReasonCode>>{
           {CloseReason::kDraining, ReasonCode::kServerShuttingDown},
           {CloseReason::kTokenExpired, ReasonCode::kMaximumConnectTime},
           {CloseReason::kSlow, ReasonCode::kQuotaExceeded},
           {CloseReason::kUnavailable, ReasonCode::kServerBusy},
           {CloseReason::kDesiredGap, ReasonCode::kImplementationSpecificError},
           {CloseReason::kTakenOver, ReasonCode::kSessionTakenOver}}) {
    Harness harness;
    harness.ConnectWith5(Harness::Connect5());
    harness.In([close = close](Connection& connection, Turn& turn) { connection.Close(close, turn); });
    EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, reason);
  }
}

TEST(Level5EndTest, Mqtt5_3_1_4_3TakeoverHears0x8e) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.In([](Connection& connection, Turn& turn) { connection.OnDisconnectOrder(7, turn); });
  EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, ReasonCode::kSessionTakenOver);
  EXPECT_EQ(harness.close_reason(), CloseReason::kTakenOver);
}

TEST(Level5EndTest, OrdersOfTheOperatorHear0x98) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.In([](Connection& connection, Turn& turn) {
    connection.OnDisconnectOrder(7, turn, ReasonCode::kAdministrativeAction);
  });
  EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, ReasonCode::kAdministrativeAction);
}

TEST(Level5EndTest, Mqtt5_3_1_2_29NoReasonStringsForWhoDoesNotWantThem) {
  for (const bool wants : {true, false}) {
    Harness harness;
    mqtt::Connect connect = Harness::Connect5();
    connect.properties.request_problem_information = wants;
    harness.ConnectWith5(connect);
    harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kTokenExpired, turn); });
    EXPECT_EQ(harness.Take5<mqtt::Disconnect>().properties.reason_string.has_value(), wants);
  }
}

// Whatever the reason, a device that takes the least gets it whole.
TEST(Level5EndTest, Mqtt5_3_14_2_3ReasonStringsFitEveryDevice) {
  for (int i = 0; i < kCloseReasons; ++i) {
    Harness harness;
    mqtt::Connect connect = Harness::Connect5();
    connect.properties.packet_bytes_max = kDevicePacketBytesMin;
    harness.ConnectWith5(connect);
    harness.In([i](Connection& connection, Turn& turn) { connection.Close(static_cast<CloseReason>(i), turn); });
    EXPECT_LE(harness.TakeOutput().size(), kDevicePacketBytesMin);
  }
}

TEST(Level5EndTest, SessionExpiryInDisconnectCannotStartFromZero) {
  for (const uint32_t expiry : {0u, 60u}) {
    Harness harness;
    harness.ConnectWith5(CleanConnect5(expiry));
    harness.Send(mqtt::Disconnect{ReasonCode::kSuccess, {.session_expiry_seconds = 10}});
    EXPECT_EQ(harness.close_reason(), expiry == 0 ? CloseReason::kProtocol : CloseReason::kDisconnect);
    const std::string goodbye = expiry == 0 ? Bytes5(mqtt::Disconnect{ReasonCode::kProtocolError}) : "";
    EXPECT_EQ(harness.TakeOutput(), goodbye);
  }
}

TEST(Level5EndTest, DPid2UnknownPubackIsCounted) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.SendBytes("\x40\x03\0\x63\x92"s.substr(0, 4) + "\x91"s);
  EXPECT_TRUE(harness.is_open());
  EXPECT_EQ(harness.dropped(Dropped::kUnknownPuback), 1);
}

// --- Enhanced authentication ---

TEST(Level5AuthTest, TheTokenMayComeAsAuthenticationData) {
  Harness harness;
  const mqtt::Connack connack = harness.ConnectWith5(SasConnect5());
  EXPECT_EQ(harness.hub().opens[0].password, kDevicePassword);
  EXPECT_EQ(connack.reason, ReasonCode::kSuccess);
}

TEST(Level5AuthTest, Mqtt5_4_12_0_1OtherMethodsHear0x8c) {
  mqtt::Connect connect = SasConnect5();
  connect.properties.authentication_method = "SCRAM-SHA-1";
  ExpectRefused(connect, ReasonCode::kBadAuthenticationMethod);
}

TEST(Level5AuthTest, Mqtt5_4_12_0_4ARejectedTokenCloses) {
  Harness harness;
  harness.SendConnect5(SasConnect5());
  harness.Open({ConnectCode::kNotAuthorized, 0, 0, false, std::nullopt});
  EXPECT_EQ(harness.Take5<mqtt::Connack>().reason, ReasonCode::kNotAuthorized);
  EXPECT_FALSE(harness.is_open());
}

TEST(Level5AuthTest, Mqtt5_4_12_0_5TheMethodStandsInConnackAndAuth) {
  Harness harness;
  EXPECT_EQ(harness.ConnectWith5(SasConnect5()).properties.authentication_method, "SAS");
  harness.Send(mqtt::Auth{ReasonCode::kReauthenticate, {.method = "SAS", .data = "new"}});
  harness.Open({ConnectCode::kAccepted, 7, 0, false, harness.wall() + absl::Hours(1)});
  EXPECT_EQ(harness.Take5<mqtt::Auth>().properties.method, "SAS");
}

TEST(Level5AuthTest, Mqtt5_4_12_0_6WithoutAMethodThereIsNone) {
  Harness harness;
  EXPECT_FALSE(harness.ConnectWith5(Harness::Connect5()).properties.authentication_method.has_value());
}

TEST(Level5AuthTest, Mqtt5_4_12_0_7AuthWithoutAMethodInConnectIsAProtocolError) {
  ExpectDisconnect(Bytes5(mqtt::Auth{ReasonCode::kReauthenticate, {.method = "SAS", .data = "new"}}),
                   ReasonCode::kProtocolError);
}

TEST(Level5AuthTest, Mqtt5_4_12_1_1ANewTokenRenewsTheConnection) {
  Harness harness;
  harness.SendConnect5(SasConnect5());
  harness.Open({ConnectCode::kAccepted, 7, kMethodsBit, true, harness.wall() + absl::Hours(1)});
  harness.TakeOutput();
  harness.Send(mqtt::Auth{ReasonCode::kReauthenticate, {.method = "SAS", .data = "new token"}});
  ASSERT_EQ(harness.hub().opens.size(), 2u);
  const RecordingEffects::Open& renewal = harness.hub().opens[1];
  EXPECT_EQ(renewal.renewed_epoch, 7);
  EXPECT_EQ(renewal.client_id, "dev-1");
  EXPECT_EQ(renewal.host, "hub.test.local");
  EXPECT_EQ(renewal.device_id, "dev-1");
  EXPECT_EQ(renewal.password, "new token");
  EXPECT_TRUE(harness.connection().wants_read());
  harness.Call(harness.NewCall(1));  // Goes on meanwhile.
  EXPECT_EQ(harness.Take5<mqtt::Publish>().topic, "$iothub/methods/POST/lockDoor/?$rid=1");
  harness.Open({ConnectCode::kAccepted, 7, 0, false, harness.wall() + absl::Hours(2)});
  EXPECT_EQ(harness.Take5<mqtt::Auth>().reason, ReasonCode::kSuccess);
  const auto ping_until = [&harness](absl::Duration duration) {
    for (absl::Duration at; at < duration && harness.is_open(); at += absl::Minutes(2)) {
      harness.AdvanceWithTimers(absl::Minutes(2));
      harness.Send(mqtt::Pingreq{});
    }
  };
  ping_until(absl::Hours(2));  // The first token's grace has been over for 50 minutes.
  EXPECT_TRUE(harness.is_open());
  ping_until(absl::Minutes(12));
  EXPECT_EQ(harness.close_reason(), CloseReason::kTokenExpired);
}

TEST(Level5AuthTest, Mqtt5_4_12_1_2ARefusedRenewalEndsTheConnection) {
  for (const auto& [code, reason] :
       std::vector<std::pair<ConnectCode, ReasonCode>>{{ConnectCode::kNotAuthorized, ReasonCode::kNotAuthorized},
                                                       {ConnectCode::kServerUnavailable, ReasonCode::kServerBusy}}) {
    Harness harness;
    harness.ConnectWith5(SasConnect5());
    harness.Send(mqtt::Auth{ReasonCode::kReauthenticate, {.method = "SAS", .data = "bad"}});
    harness.Open({code, 7, 0, false, std::nullopt});
    EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, reason);
    EXPECT_THAT(harness.hub().closed_epochs, ElementsAre(7));
  }
}

TEST(Level5AuthTest, AnotherMethodOrReasonEndsTheConnection) {
  for (const auto& [auth, reason] : std::vector<std::pair<mqtt::Auth, ReasonCode>>{
           {{ReasonCode::kReauthenticate, {.method = "X509"}}, ReasonCode::kBadAuthenticationMethod},
           {{ReasonCode::kContinueAuthentication, {.method = "SAS"}}, ReasonCode::kProtocolError},
           {{}, ReasonCode::kProtocolError}}) {
    Harness harness;
    harness.ConnectWith5(SasConnect5());
    harness.Send(auth);
    EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, reason);
  }
}

// The hub would end the stream that all devices share: protobuf takes no such string.
TEST(Level5AuthTest, Q11ATokenThatIsNoTextNeverReachesTheHub) {
  for (const std::string& token : {"SharedAccessSignature sr=\xff"s, "a\0b"s}) {
    mqtt::Connect connect = SasConnect5();
    connect.properties.authentication_data = token;
    ExpectRefused(connect, ReasonCode::kBadUserNameOrPassword);
    Harness harness;
    harness.ConnectWith5(SasConnect5());
    harness.Send(mqtt::Auth{ReasonCode::kReauthenticate, {.method = "SAS", .data = token}});
    EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, ReasonCode::kNotAuthorized);
    EXPECT_EQ(harness.hub().opens.size(), 1u);
  }
}

TEST(Level5AuthTest, OneRenewalAtATime) {
  Harness harness;
  harness.ConnectWith5(SasConnect5());
  const mqtt::Auth auth{ReasonCode::kReauthenticate, {.method = "SAS", .data = "new"}};
  harness.Send(auth);
  harness.Send(auth);
  EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, ReasonCode::kProtocolError);
}

TEST(Level5AuthTest, ARenewalSurvivesTheLossOfItsLink) {
  Harness harness;
  harness.ConnectWith5(SasConnect5());
  harness.Send(mqtt::Auth{ReasonCode::kReauthenticate, {.method = "SAS", .data = "new"}});
  harness.hub().link = 1;
  harness.In([](Connection& connection, Turn& turn) { connection.OnLinkLost(0, turn); });
  ASSERT_EQ(harness.hub().opens.size(), 3u);
  EXPECT_EQ(harness.hub().opens[2].link, 1);
  EXPECT_EQ(harness.hub().opens[2].password, "new");
}

TEST(Level5AuthTest, ARenewalThatNobodyAnswersEndsTheConnection) {
  Harness harness;
  harness.ConnectWith5(SasConnect5());
  harness.Send(mqtt::Auth{ReasonCode::kReauthenticate, {.method = "SAS", .data = "new"}});
  harness.AdvanceWithTimers(absl::Seconds(10));
  EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, ReasonCode::kServerBusy);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
