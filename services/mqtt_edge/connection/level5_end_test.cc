// A connection at MQTT 5: PINGREQ, DISCONNECT, and errors that end it.
// Tests that are named after a number are statements of Appendix B of its standard.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"
#include "services/mqtt_edge/connection/level5_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using mqtt::ReasonCode;

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

}  // namespace
}  // namespace fleetcast::mqtt_edge
