// A connection at MQTT 5: CONNECT, CONNACK and wills.
// Tests that are named after a number are statements of Appendix B of its standard.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"
#include "services/mqtt_edge/connection/level5_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using mqtt::ConnectCode;
using mqtt::ReasonCode;

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

}  // namespace
}  // namespace fleetcast::mqtt_edge
