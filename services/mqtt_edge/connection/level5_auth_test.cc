// A connection at MQTT 5: enhanced authentication.
// Tests that are named after a number are statements of Appendix B of its standard.
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"
#include "services/mqtt_edge/connection/level5_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using mqtt::ConnectCode;
using mqtt::ReasonCode;
using ::testing::ElementsAre;

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
