#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using mqtt::ConnectCode;
using ::testing::ElementsAre;

TEST(ConnectTest, AsksTheHubWithEverythingTheDeviceSaid) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  ASSERT_EQ(harness.hub().opens.size(), 1u);
  const RecordingEffects::Open& open = harness.hub().opens[0];
  EXPECT_EQ(open.client_id, "dev-1");
  EXPECT_EQ(open.host, "hub.test.local");
  EXPECT_EQ(open.device_id, "dev-1");
  EXPECT_EQ(open.password, kDevicePassword);
  EXPECT_EQ(open.api_version, "2021-04-12");
  EXPECT_EQ(open.product_info, "node");
  EXPECT_FALSE(open.clean_session);
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_FALSE(harness.connection().wants_read());
}

TEST(ConnectTest, AModuleIsNamedByItsClientId) {
  Harness harness;
  harness.Send(Harness::ModuleConnect());
  ASSERT_EQ(harness.hub().opens.size(), 1u);
  EXPECT_EQ(harness.hub().opens[0].device_id, "dev-1/mod");
  EXPECT_EQ(harness.connection().device_id(), "dev-1/mod");
}

TEST(ConnectTest, Mqtt3_2_2_SessionPresentSaysWhetherOneWasStored) {
  for (const bool present : {false, true}) {
    Harness harness;
    harness.Send(Harness::NodeConnect());
    harness.Open({ConnectCode::kAccepted, 7, 0, present, std::nullopt});
    EXPECT_EQ(harness.TakeOutput(), present ? "\x20\x02\x01\0"s : "\x20\x02\0\0"s);
    EXPECT_EQ(harness.connection().state(), Connection::State::kConnected);
  }
}

TEST(ConnectTest, EachRefusalOfTheHubIsItsConnackAndTheEnd) {
  for (const ConnectCode code : {ConnectCode::kIdentifierRejected, ConnectCode::kServerUnavailable,
                                 ConnectCode::kBadCredentials, ConnectCode::kNotAuthorized}) {
    Harness harness;
    harness.Send(Harness::NodeConnect());
    harness.Open({code, 0, kMethodsBit, true, std::nullopt});
    EXPECT_EQ(harness.TakeOutput(), BytesOf(mqtt::Connack{false, code}));
    EXPECT_EQ(harness.close_reason(), CloseReason::kRefused);
    EXPECT_TRUE(harness.hub().closed_epochs.empty());
    EXPECT_TRUE(harness.hub().abandoned.empty());
  }
}

struct BadConnect {
  const char* name;
  std::string client_id;
  std::optional<std::string> username;
  ConnectCode code;
};

class BadConnectTest : public ::testing::TestWithParam<BadConnect> {};

// Q9, Q10: refused without a word to the hub.
TEST_P(BadConnectTest, IsRefusedAtTheEdge) {
  Harness harness;
  mqtt::Connect connect = Harness::NodeConnect();
  connect.client_id = GetParam().client_id;
  connect.username.reset();
  connect.password.reset();
  if (GetParam().username.has_value()) connect.username = *GetParam().username;
  harness.Send(connect);
  EXPECT_EQ(harness.TakeOutput(), BytesOf(mqtt::Connack{false, GetParam().code}));
  EXPECT_TRUE(harness.hub().opens.empty());
  EXPECT_FALSE(harness.is_open());
}

INSTANTIATE_TEST_SUITE_P(
    Clauses, BadConnectTest,
    ::testing::Values(
        BadConnect{"DCid4EmptyClientId", "", "hub/dev-1/", ConnectCode::kIdentifierRejected},
        BadConnect{"DCid1OtherDevice", "dev-2", "hub/dev-1/", ConnectCode::kIdentifierRejected},
        BadConnect{"DCid1OtherCase", "DEV-1", "hub/dev-1/", ConnectCode::kIdentifierRejected},
        BadConnect{"DCid1ModuleMissing", "dev-1", "hub/dev-1/mod/?x", ConnectCode::kIdentifierRejected},
        BadConnect{"DCid2Plus", "a+b", "hub/a+b/", ConnectCode::kIdentifierRejected},
        BadConnect{"DCid2Hash", "a#b", "hub/a#b/", ConnectCode::kIdentifierRejected},
        BadConnect{"TooLong", std::string(129, 'x'), "hub/" + std::string(129, 'x'), ConnectCode::kIdentifierRejected},
        BadConnect{"NotAscii", "d\xc3\xa9v", "hub/d\xc3\xa9v/", ConnectCode::kIdentifierRejected},
        BadConnect{"DUsr4NoUsername", "dev-1", std::nullopt, ConnectCode::kBadCredentials},
        BadConnect{"DUsr4EmptyUsername", "dev-1", "", ConnectCode::kBadCredentials},
        BadConnect{"DUsr4NoDevice", "dev-1", "hub", ConnectCode::kBadCredentials},
        BadConnect{"DUsr4BrokenEncoding", "dev-1", "hub/dev-1/?api-version=%zz", ConnectCode::kBadCredentials},
        BadConnect{"Q10NoTextOnceDecoded", "dev-1", "hub/dev-1/?DeviceClientType=%ff", ConnectCode::kBadCredentials},
        BadConnect{"Q10EightKibibytes", "dev-1", "hub/dev-1/?x=" + std::string(8192, 'x'),
                   ConnectCode::kBadCredentials},
        BadConnect{"DCid1DeviceNamesAModule", "dev-1/mod", "hub/dev-1/?x", ConnectCode::kIdentifierRejected},
        BadConnect{"DCid1OtherModule", "dev-1/mod", "hub/dev-1/mod2/?x", ConnectCode::kIdentifierRejected},
        BadConnect{"DCid2ModuleWithPlus", "dev-1/m+", "hub/dev-1/m+/?x", ConnectCode::kIdentifierRejected},
        BadConnect{"ModuleTooLong", "d/" + std::string(129, 'x'), "hub/d/" + std::string(129, 'x') + "/?x",
                   ConnectCode::kIdentifierRejected}),
    [](const auto& info) { return info.param.name; });

// The hub would end the stream that all devices share: protobuf takes no such string.
TEST(ConnectTest, Q11APasswordThatIsNoTextNeverReachesTheHub) {
  for (const std::string_view password : {"SharedAccessSignature sr=\xff"sv, "\xed\xa0\x80"sv, "a\0b"sv}) {
    Harness harness;
    mqtt::Connect connect = Harness::NodeConnect();
    connect.password = password;
    harness.Send(connect);
    EXPECT_EQ(harness.TakeOutput(), BytesOf(mqtt::Connack{false, ConnectCode::kBadCredentials}));
    EXPECT_TRUE(harness.hub().opens.empty());
    EXPECT_FALSE(harness.is_open());
  }
}

TEST(ConnectTest, Q7LevelsOtherThanFourAndFiveAreRefused) {
  for (const auto& [connect, answer] :
       std::vector<std::pair<std::string, std::string>>{{"\x10\x0e\0\x06MQIsdp\x03\x02\0\x3c\0\0"s, "\x20\x02\0\x01"s},
                                                        {"\x10\x0c\0\x04MQTT\x06\x02\0\x3c\0\0"s, "\x20\x02\0\x01"s},
                                                        {"\x10\x0c\0\x04MQTT\x84\x02\0\x3c\0\0"s, "\x20\x02\0\x01"s}}) {
    Harness harness;
    harness.SendBytes(connect);
    EXPECT_EQ(harness.TakeOutput(), answer);
    EXPECT_EQ(harness.close_reason(), CloseReason::kRefused);
  }
}

TEST(ConnectTest, Mqtt3_1_4_1MalformedConnectClosesWithoutConnack) {
  for (const std::string& bytes : {"\x10\x0c\0\x04mqtt\x04\x02\0\x3c\0\0"s, "\x10\x0c\0\x04MQTT\x04\x03\0\x3c\0\0"s,
                                   "\x11\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"s, "GET / HTTP/1.1\r\n\r\n"s, "\x16\x03\x01"s,
                                   "\x10\xff\xff\xff\x7f"s, "\0"s}) {
    Harness harness;
    harness.SendBytes(bytes);
    EXPECT_EQ(harness.TakeOutput(), "");
    EXPECT_EQ(harness.close_reason(), CloseReason::kProtocol);
  }
}

TEST(ConnectTest, Q2FirstPacketMustBeConnect) {
  for (int first = 0; first < 256; ++first) {
    Harness harness;
    harness.SendBytes(std::string{static_cast<char>(first)});
    EXPECT_EQ(harness.is_open(), first == 0x10) << first;
    EXPECT_EQ(harness.TakeOutput(), "");
  }
}

TEST(ConnectTest, Mqtt3_1_0_2SecondConnectIsAViolation) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(Harness::NodeConnect());
  EXPECT_EQ(harness.close_reason(), CloseReason::kProtocol);
  EXPECT_THAT(harness.hub().closed_epochs, ElementsAre(7));
}

TEST(ConnectTest, DTls7ConnectMustComeWithin30Seconds) {
  Harness harness;
  harness.AdvanceWithTimers(absl::Seconds(29));
  EXPECT_TRUE(harness.is_open());
  harness.SendBytes("\x10"s);  // Q6: a byte now and then is not a CONNECT.
  harness.AdvanceWithTimers(absl::Seconds(2));
  EXPECT_EQ(harness.close_reason(), CloseReason::kConnectTimeout);
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(ConnectTest, DCa1UnreachableHubIsConnack3) {
  Harness harness;
  harness.hub().link = kNoLink;
  harness.Send(Harness::NodeConnect());
  EXPECT_EQ(harness.TakeOutput(), "\x20\x02\0\x03"s);
}

TEST(ConnectTest, DCa1SilentHubIsConnack3AndTheSessionIsAbandoned) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.AdvanceWithTimers(absl::Seconds(21));
  EXPECT_EQ(harness.TakeOutput(), "\x20\x02\0\x03"s);
  EXPECT_THAT(harness.hub().abandoned, ElementsAre("dev-1"));
}

TEST(ConnectTest, DCa1HubLostMeanwhileIsConnack3) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.In([](Connection& connection, Turn& turn) { connection.OnLinkLost(0, turn); });
  EXPECT_EQ(harness.TakeOutput(), "\x20\x02\0\x03"s);
  EXPECT_TRUE(harness.hub().abandoned.empty());  // No answer can come any more.
}

TEST(ConnectTest, DeviceThatLeavesMeanwhileIsAbandoned) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  EXPECT_THAT(harness.hub().abandoned, ElementsAre("dev-1"));
}

TEST(ConnectTest, DSes4PacketsBehindConnectWaitForConnack) {
  Harness harness;
  std::string bytes = BytesOf(Harness::NodeConnect());
  mqtt::Encode(mqtt::Pingreq{}, &bytes);
  mqtt::Encode(mqtt::Pingreq{}, &bytes);
  harness.SendBytes(bytes);
  harness.SendBytes("\xc0");
  EXPECT_EQ(harness.TakeOutput(), "");
  harness.Open({ConnectCode::kAccepted, 7, 0, false, std::nullopt});
  harness.SendBytes("\0"s);
  EXPECT_EQ(harness.TakeOutput(), "\x20\x02\0\0\xd0\0\xd0\0\xd0\0"s);
}

TEST(ConnectTest, DSes4HeldBytesAreBounded) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.SendBytes(std::string(64 * 1024, '\xc0'));
  EXPECT_TRUE(harness.is_open());
  harness.SendBytes("\0"s);
  EXPECT_EQ(harness.close_reason(), CloseReason::kProtocol);
}

TEST(ConnectTest, OneByteAtATimeIsAsGood) {
  Harness harness;
  for (const char c : BytesOf(Harness::NodeConnect())) harness.SendBytes(std::string(1, c));
  EXPECT_EQ(harness.hub().opens.size(), 1u);
}

TEST(WillTest, OnlyTheDevicesOwnTelemetryTopicIsAllowed) {
  for (const auto& [topic, is_legal] :
       std::vector<std::pair<std::string, bool>>{{"devices/dev-1/messages/events/", true},
                                                 {"devices/dev-1/messages/events/a=b", true},
                                                 {"devices/dev-2/messages/events/", false},
                                                 {"$iothub/twin/PATCH/properties/reported/?$rid=1", false},
                                                 {"will", false}}) {
    Harness harness;
    mqtt::Connect connect = Harness::NodeConnect();
    connect.will = mqtt::Will{topic, "gone", 1, false};
    harness.Send(connect);
    EXPECT_EQ(harness.hub().opens.size(), is_legal ? 1u : 0u) << topic;
    EXPECT_EQ(harness.TakeOutput(), is_legal ? "" : "\x20\x02\0\x05"s);
  }
}

TEST(WillTest, Mqtt3_14_4_3DisconnectDiscardsIt) {
  for (const bool says_goodbye : {true, false}) {
    Harness harness;
    mqtt::Connect connect = Harness::NodeConnect();
    connect.will = mqtt::Will{"devices/dev-1/messages/events/", "gone", 1, false};
    harness.Send(connect);
    harness.Open({ConnectCode::kAccepted, 7, 0, false, std::nullopt});
    if (says_goodbye) harness.Send(mqtt::Disconnect{});
    harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
    EXPECT_EQ(harness.dropped(Dropped::kWill), says_goodbye ? 0 : 1);
  }
}

// --- Keep-alive and expiry ---

absl::Duration SilenceUntilClosed(uint16_t keep_alive_seconds) {
  Harness harness;
  mqtt::Connect connect = Harness::NodeConnect();
  connect.keep_alive_seconds = keep_alive_seconds;
  harness.Send(connect);
  harness.Open({ConnectCode::kAccepted, 7, 0, false, std::nullopt});
  absl::Duration silence;
  for (; harness.is_open() && silence < absl::Hours(2); silence += absl::Seconds(1)) {
    harness.Timer();
    if (harness.is_open()) harness.Advance(absl::Seconds(1));
  }
  EXPECT_EQ(harness.close_reason(), CloseReason::kKeepAlive);
  return silence - absl::Seconds(1);
}

TEST(KeepAliveTest, OneAndAHalfTimesCappedAt1767Seconds) {
  EXPECT_EQ(SilenceUntilClosed(180), absl::Seconds(270));
  EXPECT_EQ(SilenceUntilClosed(1177), absl::Seconds(1766));
  EXPECT_EQ(SilenceUntilClosed(0), absl::Seconds(1767));       // Q20
  EXPECT_EQ(SilenceUntilClosed(65'535), absl::Seconds(1767));  // Q20
}

TEST(KeepAliveTest, WholePacketsExtendItPartsDoNot) {
  Harness harness;
  harness.ConnectWith(0);  // 270 s
  harness.Advance(absl::Seconds(200));
  harness.Send(mqtt::Pingreq{});
  harness.Advance(absl::Seconds(200));
  harness.SendBytes("\xc0");
  harness.Advance(absl::Seconds(71));
  harness.Timer();
  EXPECT_EQ(harness.close_reason(), CloseReason::kKeepAlive);
  EXPECT_EQ(harness.TakeOutput(), "\xd0\0"s);  // The answer to the ping; nothing when it closes.
}

TEST(TokenTest, DSas1ClosesTenMinutesAfterExpiry) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.Open({ConnectCode::kAccepted, 7, 0, false, harness.wall() + absl::Seconds(120)});
  for (int i = 0; i < 7; ++i) {
    harness.Advance(absl::Seconds(100));
    harness.Timer();
    harness.Send(mqtt::Pingreq{});
  }
  EXPECT_TRUE(harness.is_open());  // 700 s
  harness.Advance(absl::Seconds(21));
  harness.Timer();
  EXPECT_EQ(harness.close_reason(), CloseReason::kTokenExpired);
  EXPECT_THAT(harness.hub().closed_epochs, ElementsAre(7));
}

TEST(TakeoverTest, DTk2OrderClosesOnlyTheEpochItNames) {
  Harness harness;
  harness.ConnectWith(0);
  harness.In([](Connection& connection, Turn& turn) { connection.OnDisconnectOrder(6, turn); });
  EXPECT_TRUE(harness.is_open());
  harness.In([](Connection& connection, Turn& turn) { connection.OnDisconnectOrder(7, turn); });
  EXPECT_EQ(harness.close_reason(), CloseReason::kTakenOver);
}

TEST(TakeoverTest, OrderThatOvertakesTheResultStillCounts) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.In([](Connection& connection, Turn& turn) { connection.OnDisconnectOrder(7, turn); });
  harness.Open({ConnectCode::kAccepted, 7, 0, false, std::nullopt});
  EXPECT_EQ(harness.close_reason(), CloseReason::kTakenOver);
}

TEST(CloseTest, Mqtt3_14_4NothingAfterDisconnectIsRead) {
  Harness harness;
  harness.ConnectWith(0);
  harness.SendBytes("\xe0\0\xc0\0"s);
  EXPECT_EQ(harness.close_reason(), CloseReason::kDisconnect);
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_THAT(harness.hub().closed_epochs, ElementsAre(7));
}

TEST(CloseTest, Q18PacketsOfServersAndOfQos2AreViolations) {
  for (const std::string& bytes : {"\x20\x02\0\0"s, "\x50\x02\0\x01"s, "\x62\x02\0\x01"s, "\x70\x02\0\x01"s,
                                   "\x90\x03\0\x01\0"s, "\xb0\x02\0\x01"s, "\xd0\0"s}) {
    Harness harness;
    harness.ConnectWith(0);
    harness.SendBytes(bytes);
    EXPECT_EQ(harness.close_reason(), CloseReason::kProtocol);
  }
}

TEST(CloseTest, DPid2UnknownPubackIsCounted) {
  Harness harness;
  harness.ConnectWith(0);
  harness.Send(mqtt::Puback{0});
  harness.Send(mqtt::Puback{99});
  EXPECT_TRUE(harness.is_open());
  EXPECT_EQ(harness.dropped(Dropped::kUnknownPuback), 2);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
