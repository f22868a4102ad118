#include "libs/mqtt/codec.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "libs/mqtt/codec_harness.h"

namespace fleetcast::mqtt {
namespace {

using namespace std::string_literals;  // Byte traces hold NULs.
Connect NodeConnect() {
  Connect connect;
  connect.keep_alive_seconds = 180;
  connect.client_id = "dev-1";
  connect.username = "hub.test.local/dev-1/?api-version=2021-04-12&DeviceClientType=azure-iot-device%2F1.18.4";
  connect.password = "SharedAccessSignature sr=hub.test.local%2Fdevices%2Fdev-1&sig=abc%3D&se=4102444800";
  return connect;
}

constexpr std::string_view kWillPayload("gone \0 for good", 15);

Connect ConnectWithWill() {
  Connect connect = NodeConnect();
  connect.clean_session = true;
  connect.will = Will{"devices/dev-1/messages/events/", kWillPayload, 1, true};
  return connect;
}

// One legal packet of every kind.
std::vector<std::string> AllPackets() {
  Connect x509 = NodeConnect();
  x509.password.reset();
  return {
      Bytes(NodeConnect()),
      Bytes(ConnectWithWill()),
      Bytes(x509),
      Bytes(Connack{true, ConnectCode::kAccepted}),
      Bytes(Connack{false, ConnectCode::kNotAuthorized}),
      Bytes(Publish{.topic = "$iothub/twin/GET/?$rid=1", .payload = " "}),
      Bytes(Publish{.dup = true, .retain = true, .qos = 1, .packet_id = 0xfffe, .topic = "t", .payload = ""}),
      Bytes(Publish{.qos = 2, .packet_id = 7, .topic = "t", .payload = std::string(200, 'x')}),
      Bytes(Puback{1}),
      Bytes(Subscribe{2, {{"$iothub/twin/res/#", 0}, {"$iothub/methods/POST/#", 1}}}),
      Bytes(Suback{2, {0, 1, 2, 0x80}}),
      Bytes(Unsubscribe{3, {"a", "b/#"}}),
      Bytes(Unsuback{3}),
      Bytes(Pingreq{}),
      Bytes(Pingresp{}),
      Bytes(Disconnect{}),
  };
}

TEST(CodecTest, DecodesWhatItEncodes) {
  for (const std::string& bytes : AllPackets()) {
    const Reading reading = Read(kAll, bytes);
    ASSERT_EQ(reading.packets.size(), 1u) << ViolationName(reading.violation);
    EXPECT_EQ(reading.packets[0], bytes);
  }
}

TEST(CodecTest, KeepsEveryFieldOfConnect) {
  const std::string bytes = Bytes(ConnectWithWill());
  const auto connect = Decode<Connect>(bytes);
  EXPECT_EQ(connect.level, kLevel311);
  EXPECT_TRUE(connect.clean_session);
  EXPECT_EQ(connect.keep_alive_seconds, 180);
  EXPECT_EQ(connect.client_id, "dev-1");
  EXPECT_EQ(connect.username, NodeConnect().username);
  EXPECT_EQ(connect.password, NodeConnect().password);
  ASSERT_TRUE(connect.will.has_value());
  EXPECT_EQ(connect.will->topic, "devices/dev-1/messages/events/");
  EXPECT_EQ(connect.will->payload, kWillPayload);
  EXPECT_EQ(connect.will->qos, 1);
  EXPECT_TRUE(connect.will->retain);
}

TEST(CodecTest, AnyFragmentationGivesTheSamePackets) {
  const std::vector<std::string> packets = AllPackets();
  std::string stream;
  for (const std::string& bytes : packets) stream += bytes;
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    const Reading reading = Read(kAll, stream, piece);
    ASSERT_EQ(reading.violation, Violation::kNone) << piece;
    ASSERT_EQ(reading.packets, packets) << piece;
    EXPECT_FALSE(reading.has_partial);
  }
}

TEST(CodecTest, Q5TruncatedAtEveryByteWaits) {
  for (const std::string& bytes : AllPackets()) {
    for (size_t size = 1; size < bytes.size(); ++size) {
      const Reading reading = Read(kAll, std::string_view(bytes).substr(0, size));
      EXPECT_EQ(reading.violation, Violation::kNone);
      EXPECT_TRUE(reading.packets.empty());
      EXPECT_TRUE(reading.has_partial);
    }
  }
}

// Cuts the body at every byte and states the shorter length in the header: no packet is legal when it ends too early,
// except where the last field is a payload or a list.
TEST(CodecTest, FieldsPastTheEndOfThePacketAreMalformed) {
  for (const std::string& bytes : {Bytes(ConnectWithWill()), Bytes(Connack{}), Bytes(Puback{1}), Bytes(Unsuback{1}),
                                   Bytes(Subscribe{1, {{"a/#", 1}}}), Bytes(Unsubscribe{1, {"a/#"}})}) {
    const size_t header = (bytes[1] & 0x80) != 0 ? 3 : 2;
    for (size_t body = 0; body + header < bytes.size(); ++body) {
      std::string cut(1, bytes[0]);
      cut.push_back(static_cast<char>(body < 128 ? body : (body & 0x7f) | 0x80));
      if (body >= 128) cut.push_back(static_cast<char>(body >> 7));
      cut += bytes.substr(header, body);
      EXPECT_NE(ViolationOf(cut), Violation::kNone) << "type " << (bytes[0] >> 4 & 0xf) << ", body " << body;
    }
  }
}

TEST(CodecTest, TrailingBytesAreMalformed) {
  for (std::string bytes : {Bytes(NodeConnect()), Bytes(Connack{}), Bytes(Puback{1}), Bytes(Pingreq{})}) {
    const bool has_long_header = (bytes[1] & 0x80) != 0;
    ++bytes[1];
    bytes.push_back('x');
    EXPECT_EQ(ViolationOf(bytes), Violation::kTrailingBytes) << has_long_header;
  }
}

// --- Fixed header ---

TEST(FixedHeaderTest, Mqtt2_2_3LengthsAtTheBoundsOfEachByteCount) {
  for (const size_t remaining : {0u, 127u, 128u, 16'383u, 16'384u, 200'000u}) {
    const size_t payload = remaining < 3 ? 0 : remaining - 3;
    const std::string bytes = Bytes(Publish{.topic = "t", .payload = std::string(payload, 'p')});
    EXPECT_EQ(Decode<Publish>(bytes).payload.size(), payload);
  }
}

TEST(FixedHeaderTest, Mqtt2_2_3FifthLengthByteIsMalformed) {
  EXPECT_EQ(ViolationOf("\x30\x80\x80\x80\x80"s), Violation::kRemainingLength);
  EXPECT_EQ(ViolationOf("\x30\xff\xff\xff\xff\x7f"s), Violation::kRemainingLength);
}

TEST(FixedHeaderTest, Mqtt2_2_3NonMinimalLengthIsAccepted) {
  const Reading reading = Read(kServerLimits, "\xc0\x80\x00\xc0\x80\x80\x80\x00"s);
  EXPECT_EQ(reading.packets.size(), 2u);
}

TEST(FixedHeaderTest, Mqtt2_2_2ReservedFlagsMustHaveTheListedValues) {
  for (const std::string& bytes : AllPackets()) {
    const bool is_publish = (bytes[0] >> 4 & 0xf) == 3;
    if (is_publish) continue;
    for (int flags = 0; flags < 16; ++flags) {
      std::string changed = bytes;
      changed[0] = static_cast<char>((bytes[0] & 0xf0) | flags);
      const bool is_legal = changed[0] == bytes[0];
      EXPECT_EQ(ViolationOf(changed), is_legal ? Violation::kNone : Violation::kReservedFlags);
    }
  }
}

TEST(FixedHeaderTest, ReservedTypesAreRefused) {
  for (int flags = 0; flags < 16; ++flags) {
    EXPECT_EQ(ViolationOf(std::string{static_cast<char>(flags)}), Violation::kReservedType);
    EXPECT_EQ(ViolationOf(std::string{static_cast<char>(0xf0 | flags)}), Violation::kReservedType);
  }
}

TEST(FixedHeaderTest, Q2OnlyConnectMayComeFirst) {
  constexpr Limits kLimits = BeforeConnectLimits(4096);
  for (int first = 0; first < 256; ++first) {
    const Violation violation = ViolationOf(std::string{static_cast<char>(first)}, kLimits);
    EXPECT_EQ(violation == Violation::kNone, first == 0x10) << first;
  }
}

TEST(FixedHeaderTest, Q18TypesThatOnlyServersSendAreRefused) {
  for (const char first : {'\x20', '\x50', '\x62', '\x70', '\x90', '\xb0', '\xd0'}) {
    EXPECT_EQ(ViolationOf(std::string{first}, kServerLimits), Violation::kUnexpectedType);
  }
}

TEST(FixedHeaderTest, DSz1OverTheLimitIsRefusedWithoutTheBody) {
  EXPECT_EQ(ViolationOf("\x30\xd8\x80\x12"s, kServerLimits), Violation::kNone);      // 295,000
  EXPECT_EQ(ViolationOf("\x30\xd9\x80\x12"s, kServerLimits), Violation::kTooLarge);  // 295,001
  EXPECT_EQ(ViolationOf("\x82\x81\x40"s, kServerLimits), Violation::kTooLarge);      // 8,193
  EXPECT_EQ(ViolationOf("\x30\xff\xff\xff\x7f"s, kServerLimits), Violation::kTooLarge);
  EXPECT_EQ(ViolationOf("\xc0\x01"s, kServerLimits), Violation::kTooLarge);
}

// --- CONNECT ---

// The CONNECT of `connect` with its flags byte replaced.
std::string WithFlags(const Connect& connect, uint8_t flags) {
  std::string bytes = Bytes(connect);
  bytes[bytes.find("MQTT") + 5] = static_cast<char>(flags);
  return bytes;
}

TEST(ConnectTest, Mqtt3_1_2_3ReservedFlagMustBeZero) {
  EXPECT_EQ(ViolationOf(WithFlags(NodeConnect(), 0xc1)), Violation::kConnectFlags);
}

TEST(ConnectTest, Mqtt3_1_2_13To15WillFlagsMustFit) {
  EXPECT_EQ(ViolationOf(WithFlags(NodeConnect(), 0xc8)), Violation::kConnectFlags);      // QoS without will.
  EXPECT_EQ(ViolationOf(WithFlags(NodeConnect(), 0xe0)), Violation::kConnectFlags);      // RETAIN without will.
  EXPECT_EQ(ViolationOf(WithFlags(ConnectWithWill(), 0xfe)), Violation::kConnectFlags);  // QoS 3.
}

TEST(ConnectTest, Mqtt3_1_2_22PasswordNeedsUserName) {
  EXPECT_EQ(ViolationOf(WithFlags(NodeConnect(), 0x40)), Violation::kConnectFlags);
}

TEST(ConnectTest, Mqtt3_1_2_18To21FlagsAndPayloadMustAgree) {
  EXPECT_EQ(ViolationOf(WithFlags(NodeConnect(), 0x80)), Violation::kTrailingBytes);
  EXPECT_EQ(ViolationOf(WithFlags(NodeConnect(), 0x00)), Violation::kTrailingBytes);
}

TEST(ConnectTest, Mqtt3_1_2_1WrongProtocolNameIsRefused) {
  std::string bytes = Bytes(NodeConnect());
  bytes[bytes.find("MQTT")] = 'm';
  EXPECT_EQ(ViolationOf(bytes), Violation::kProtocolName);
}

TEST(ConnectTest, Q7OtherLevelsAreReportedWithoutReadingTheRest) {
  for (const int level : {0, 2, 3, 6, 0x84}) {
    std::string bytes = Bytes(NodeConnect());
    bytes[bytes.find("MQTT") + 4] = static_cast<char>(level);
    EXPECT_EQ(Decode<Connect>(bytes).level, level);
  }
  EXPECT_EQ(Decode<Connect>("\x10\x0e\0\x06MQIsdp\x03\x02\0\x3c\0\0"s).level, 3);
  EXPECT_EQ(Decode<Connect>("\x10\x0e\0\x06MQIsdp\x04\x02\0\x3c\0\0"s).level, 3);
}

TEST(ConnectTest, Mqtt3_1_3_4ClientIdIsText) {
  for (const std::string& id : {"a\0b"s, "\xff"s, "\xc0\x80"s, "\xed\xa0\x80"s, "a\nb"s, "\xf4\x90\x80\x80"s}) {
    Connect connect = NodeConnect();
    connect.client_id = id;
    EXPECT_EQ(ViolationOf(Bytes(connect)), Violation::kBadText);
  }
}

TEST(ConnectTest, Mqtt3_1_3_6EmptyClientIdIsLegal) {
  Connect connect = NodeConnect();
  connect.client_id = "";
  EXPECT_EQ(ViolationOf(Bytes(connect)), Violation::kNone);
}

TEST(ConnectTest, PasswordIsBinary) {
  Connect connect = NodeConnect();
  const std::string password = "\0\xff\xfe"s;
  connect.password = password;
  EXPECT_EQ(Decode<Connect>(Bytes(connect)).password, password);
}

// --- PUBLISH ---

TEST(PublishTest, Mqtt3_3_1_4QosBitsMayNotBothBeSet) {
  EXPECT_EQ(ViolationOf("\x36\x05\0\x01t\0\x01"s), Violation::kBadQos);
}

TEST(PublishTest, Mqtt3_3_1_2DupMustBeZeroAtQos0) { EXPECT_EQ(ViolationOf("\x38\x03\0\x01t"s), Violation::kDupAtQos0); }

TEST(PublishTest, Mqtt2_3_1_1PacketIdMustNotBeZero) {
  EXPECT_EQ(ViolationOf("\x32\x05\0\x01t\0\0"s), Violation::kPacketIdZero);
  EXPECT_EQ(ViolationOf("\x82\x06\0\0\0\x01t\0"s), Violation::kPacketIdZero);
  EXPECT_EQ(ViolationOf("\xa2\x05\0\0\0\x01t"s), Violation::kPacketIdZero);
}

TEST(PublishTest, Mqtt3_3_2_2NoWildcardInATopicName) {
  EXPECT_EQ(ViolationOf(Bytes(Publish{.topic = "a/#"})), Violation::kWildcardTopic);
  EXPECT_EQ(ViolationOf(Bytes(Publish{.topic = "a/+/b"})), Violation::kWildcardTopic);
}

TEST(PublishTest, Mqtt4_7_3_1TopicsHaveAtLeastOneCharacter) {
  EXPECT_EQ(ViolationOf(Bytes(Publish{.topic = ""})), Violation::kEmptyTopic);
  EXPECT_EQ(ViolationOf(Bytes(Subscribe{1, {{"", 0}}})), Violation::kEmptyTopic);
}

TEST(PublishTest, DPid2PubackOfZeroIsLegal) { EXPECT_EQ(Decode<Puback>(Bytes(Puback{0})).packet_id, 0); }

// --- SUBSCRIBE, UNSUBSCRIBE ---

TEST(SubscribeTest, Mqtt3_8_3_3AtLeastOneFilter) {
  EXPECT_EQ(ViolationOf("\x82\x02\0\x01"s), Violation::kNoFilter);
  EXPECT_EQ(ViolationOf("\xa2\x02\0\x01"s), Violation::kNoFilter);
}

TEST(SubscribeTest, Mqtt3_8_3_4ReservedQosBitsAreMalformed) {
  for (const int qos : {3, 4, 0x80, 0xfc}) {
    EXPECT_EQ(ViolationOf(Bytes(Subscribe{1, {{"t", static_cast<uint8_t>(qos)}}})), Violation::kBadQos) << qos;
  }
}

TEST(SubscribeTest, KeepsTheOrderOfFilters) {
  const std::string bytes = Bytes(Subscribe{9, {{"a", 2}, {"b", 0}, {"c", 1}}});
  const auto subscribe = Decode<Subscribe>(bytes);
  EXPECT_EQ(subscribe.packet_id, 9);
  ASSERT_EQ(subscribe.subscriptions.size(), 3u);
  EXPECT_EQ(subscribe.subscriptions[0].filter, "a");
  EXPECT_EQ(subscribe.subscriptions[0].qos, 2);
  EXPECT_EQ(subscribe.subscriptions[2].filter, "c");
}

// --- Byte traces of device-mqtt.md section 9 ---

TEST(TraceTest, SubscribeOfEachFilter) {
  EXPECT_EQ(Bytes(Subscribe{0x4b42, {{"$iothub/methods/POST/#", 0}}}),
            "\x82\x1b\x4b\x42\0\x16$iothub/methods/POST/#\0"s);
  EXPECT_EQ(Bytes(Subscribe{0x4b43, {{"$iothub/twin/res/#", 0}}}), "\x82\x17\x4b\x43\0\x12$iothub/twin/res/#\0"s);
  EXPECT_EQ(Bytes(Subscribe{1, {{"$iothub/twin/PATCH/properties/desired/#", 1}}}),
            "\x82\x2c\0\x01\0\x27$iothub/twin/PATCH/properties/desired/#\x01"s);
  EXPECT_EQ(Bytes(Subscribe{1, {{"devices/dev-1/messages/devicebound/#", 1}}}),
            "\x82\x29\0\x01\0\x24"s + "devices/dev-1/messages/devicebound/#\x01");
}

TEST(TraceTest, CSdkSubscribesThreeFiltersAtOnce) {
  const std::string bytes = Bytes(Subscribe{
      2, {{"devices/dev-1/messages/devicebound/#", 1}, {"$iothub/twin/res/#", 0}, {"$iothub/methods/POST/#", 0}}});
  EXPECT_EQ(bytes.substr(0, 4), "\x82\x57\0\x02"s);
  EXPECT_EQ(Bytes(Suback{2, {1, 0, 0}}), "\x90\x05\0\x02\x01\0\0"s);
}

TEST(TraceTest, ShortPackets) {
  EXPECT_EQ(Bytes(Connack{}), "\x20\x02\0\0"s);
  EXPECT_EQ(Bytes(Connack{true}), "\x20\x02\x01\0"s);
  EXPECT_EQ(Bytes(Connack{false, ConnectCode::kNotAuthorized}), "\x20\x02\0\x05"s);
  EXPECT_EQ(Bytes(Suback{0x4b42, {0}}), "\x90\x03\x4b\x42\0"s);
  EXPECT_EQ(Bytes(Disconnect{}), "\xe0\0"s);
  EXPECT_EQ(Bytes(Pingreq{}), "\xc0\0"s);
  EXPECT_EQ(Bytes(Pingresp{}), "\xd0\0"s);
  EXPECT_EQ(Bytes(Connack{.reason = ReasonCode::kUnsupportedProtocolVersion}, kLevel5), "\x20\x03\0\x84\0"s);
}

TEST(TraceTest, NodeConnect) {
  const std::string bytes = Bytes(NodeConnect());
  EXPECT_EQ(bytes[0], '\x10');
  EXPECT_EQ(bytes.substr(3, 10), "\0\x04MQTT\x04\xc0\0\xb4"s);
}

TEST(TraceTest, Packets) {
  EXPECT_EQ(Bytes(Publish{.topic = "$iothub/methods/POST/lockDoor/?$rid=1", .payload = R"({"d":3})"}),
            "\x30\x2e\0\x25$iothub/methods/POST/lockDoor/?$rid=1{\"d\":3}"s);
  EXPECT_EQ(Bytes(Publish{.topic = "$iothub/methods/res/200/?$rid=1", .payload = R"({"locked":true})"}),
            "\x30\x30\0\x1f$iothub/methods/res/200/?$rid=1{\"locked\":true}"s);
}

}  // namespace
}  // namespace fleetcast::mqtt
