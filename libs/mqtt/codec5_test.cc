// MQTT 5 on the wire. Tests are named after the statements of Appendix B of its standard.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "libs/mqtt/codec_harness.h"

namespace fleetcast::mqtt {
namespace {

using namespace std::string_literals;  // Byte traces hold NULs.

Violation ViolationOf5(std::string_view bytes) { return ViolationOf(bytes, kAll, kLevel5); }

template <typename Value>
std::string Bytes5(const Value& packet) {
  return Bytes(packet, kLevel5);
}

Connect NodeConnect5() {
  Connect connect;
  connect.level = kLevel5;
  connect.keep_alive_seconds = 180;
  connect.client_id = "dev-1";
  connect.username = "hub.test.local/dev-1/";
  connect.password = "SharedAccessSignature sr=x&sig=y&se=1";
  return connect;
}

// Two user properties, and the names repeat.
std::string TwoUserProperties() {
  std::string encoded;
  AppendUserProperty("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &encoded);
  AppendUserProperty("traceparent", "", &encoded);
  return encoded;
}

Connect FullConnect(const std::string& user) {
  Connect connect = NodeConnect5();
  connect.clean_session = true;
  connect.properties = {.session_expiry_seconds = UINT32_MAX,
                        .receive_maximum = 1,
                        .packet_bytes_max = 0x12345678,
                        .topic_alias_maximum = 0,
                        .request_response_information = true,
                        .request_problem_information = false,
                        .authentication_method = "SAS",
                        .authentication_data = "secret",
                        .user = UserProperties(user)};
  connect.will = Will{"devices/dev-1/messages/events/", "gone", 1, false,
                      WillProperties{.delay_seconds = 7,
                                     .is_text = true,
                                     .message_expiry_seconds = 8,
                                     .content_type = "text/plain",
                                     .response_topic = "a/b",
                                     .correlation_data = std::string_view("\0\xff", 2),
                                     .user = UserProperties(user)}};
  return connect;
}

// One legal packet of every kind, with every property of it and without any.
std::vector<std::string> AllPackets5() {
  const std::string user_text = TwoUserProperties();
  const UserProperties user(user_text);
  const AckProperties ack{.reason_string = "because", .user = user};
  const PublishProperties publish{.is_text = true,
                                  .message_expiry_seconds = 30,
                                  .topic_alias = 16,
                                  .response_topic = "r",
                                  .correlation_data = "c",
                                  .subscription_id = 300'000,
                                  .content_type = "application/json",
                                  .user = user};
  const ConnackProperties connack{.session_expiry_seconds = 1,
                                  .receive_maximum = 16,
                                  .maximum_qos = true,
                                  .retain_available = false,
                                  .packet_bytes_max = kPacketBytesMax5,
                                  .assigned_client_id = "x",
                                  .topic_alias_maximum = 16,
                                  .reason_string = "r",
                                  .wildcard_available = true,
                                  .subscription_ids_available = false,
                                  .shared_available = false,
                                  .server_keep_alive_seconds = 1177,
                                  .response_information = "i",
                                  .server_reference = "s",
                                  .authentication_method = "SAS",
                                  .authentication_data = "d",
                                  .user = user};
  return {
      Bytes5(NodeConnect5()),
      Bytes5(FullConnect(user_text)),
      Bytes5(Connack{}),
      Bytes5(Connack{.session_present = true, .properties = connack}),
      Bytes5(Connack{.reason = ReasonCode::kBadAuthenticationMethod}),
      Bytes5(Publish{.topic = "t", .payload = "p"}),
      Bytes5(Publish{.dup = true, .qos = 1, .packet_id = 9, .topic = "", .payload = "p", .properties = publish}),
      Bytes5(Puback{1}),
      Bytes5(Puback{2, ReasonCode::kNotAuthorized}),
      Bytes5(Puback{3, ReasonCode::kSuccess, ack}),
      Bytes5(Subscribe{4, {{"a/#", 1}, {.filter = "b", .no_local = true, .retain_handling = 2}}}),
      Bytes5(Subscribe{5, {{"a", 2}}, {.subscription_id = 1, .user = user}}),
      Bytes5(Suback{4, {0, 1, 2, 0x8f}}),
      Bytes5(Suback{4, {0x97}, ack}),
      Bytes5(Unsubscribe{6, {"a", "b"}}),
      Bytes5(Unsubscribe{6, {"a"}, {user}}),
      Bytes5(Unsuback{6, {0, 0x11}}),
      Bytes5(Unsuback{6, {0}, ack}),
      Bytes5(Pingreq{}),
      Bytes5(Pingresp{}),
      Bytes5(Disconnect{}),
      Bytes5(Disconnect{ReasonCode::kDisconnectWithWill}),
      Bytes5(Disconnect{ReasonCode::kSessionTakenOver,
                        {.session_expiry_seconds = 2, .reason_string = "r", .server_reference = "s", .user = user}}),
      Bytes5(Auth{}),
      Bytes5(Auth{ReasonCode::kReauthenticate, {.method = "SAS", .data = "d", .reason_string = "r", .user = user}}),
  };
}

TEST(Codec5Test, DecodesWhatItEncodes) {
  for (const std::string& bytes : AllPackets5()) {
    const Reading reading = Read(kAll, bytes, SIZE_MAX, kLevel5);
    ASSERT_EQ(reading.packets.size(), 1u) << ViolationName(reading.violation);
    EXPECT_EQ(reading.packets[0], bytes);
  }
}

TEST(Codec5Test, AnyFragmentationGivesTheSamePackets) {
  const std::vector<std::string> packets = AllPackets5();
  std::string stream;
  for (const std::string& bytes : packets) stream += bytes;
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    const Reading reading = Read(kAll, stream, piece);  // The CONNECT in front says the level.
    ASSERT_EQ(reading.violation, Violation::kNone) << piece;
    ASSERT_EQ(reading.packets, packets) << piece;
    EXPECT_FALSE(reading.has_partial);
  }
}

TEST(Codec5Test, Q5TruncatedAtEveryByteWaits) {
  for (const std::string& bytes : AllPackets5()) {
    for (size_t size = 1; size < bytes.size(); ++size) {
      const Reading reading = Read(kAll, std::string_view(bytes).substr(0, size), SIZE_MAX, kLevel5);
      EXPECT_EQ(reading.violation, Violation::kNone);
      EXPECT_TRUE(reading.packets.empty());
      EXPECT_TRUE(reading.has_partial);
    }
  }
}

// Every byte of every packet with one bit changed, or all set: whatever comes of it is a packet or a violation, and
// what is a packet can be encoded and read again. With a sanitizer this is a small fuzzer.
TEST(Codec5Test, AnyChangedByteIsAPacketOrAViolation) {
  for (const std::string& bytes : AllPackets5()) {
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (const int change : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
        std::string changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ change);
        const Reading reading = Read(kAll, changed, SIZE_MAX, kLevel5);
        for (const std::string& packet : reading.packets) {
          EXPECT_EQ(Read(kAll, packet, SIZE_MAX, kLevel5).packets.size(), 1u);
        }
      }
    }
  }
}

TEST(Codec5Test, KeepsEveryFieldOfConnect) {
  const std::string user = TwoUserProperties();
  const std::string bytes = Bytes5(FullConnect(user));
  const auto connect = Decode<Connect>(bytes);
  EXPECT_EQ(connect.level, kLevel5);
  EXPECT_TRUE(connect.clean_session);
  EXPECT_EQ(connect.client_id, "dev-1");
  EXPECT_EQ(connect.properties.session_expiry_seconds, UINT32_MAX);
  EXPECT_EQ(connect.properties.receive_maximum, 1);
  EXPECT_EQ(connect.properties.packet_bytes_max, 0x12345678u);
  EXPECT_EQ(connect.properties.topic_alias_maximum, 0);
  EXPECT_EQ(connect.properties.request_response_information, true);
  EXPECT_EQ(connect.properties.request_problem_information, false);
  EXPECT_EQ(connect.properties.authentication_method, "SAS");
  EXPECT_EQ(connect.properties.authentication_data, "secret");
  ASSERT_TRUE(connect.will.has_value());
  EXPECT_EQ(connect.will->topic, "devices/dev-1/messages/events/");
  EXPECT_EQ(connect.will->properties.delay_seconds, 7u);
  EXPECT_EQ(connect.will->properties.is_text, true);
  EXPECT_EQ(connect.will->properties.message_expiry_seconds, 8u);
  EXPECT_EQ(connect.will->properties.content_type, "text/plain");
  EXPECT_EQ(connect.will->properties.response_topic, "a/b");
  EXPECT_EQ(connect.will->properties.correlation_data, std::string_view("\0\xff", 2));
  EXPECT_EQ(connect.username, NodeConnect5().username);
  EXPECT_EQ(connect.password, NodeConnect5().password);
}

TEST(Codec5Test, KeepsEveryFieldOfPublish) {
  const std::string user = TwoUserProperties();
  const std::string bytes = Bytes5(Publish{.qos = 1,
                                           .packet_id = 9,
                                           .topic = "t",
                                           .payload = "p",
                                           .properties = {.is_text = false,
                                                          .message_expiry_seconds = 30,
                                                          .topic_alias = 16,
                                                          .response_topic = "r",
                                                          .correlation_data = "c",
                                                          .content_type = "x",
                                                          .user = UserProperties(user)}});
  const auto publish = Decode<Publish>(bytes, kLevel5);
  EXPECT_EQ(publish.topic, "t");
  EXPECT_EQ(publish.payload, "p");
  EXPECT_EQ(publish.properties.is_text, false);
  EXPECT_EQ(publish.properties.message_expiry_seconds, 30u);
  EXPECT_EQ(publish.properties.topic_alias, 16);
  EXPECT_EQ(publish.properties.response_topic, "r");
  EXPECT_EQ(publish.properties.correlation_data, "c");
  EXPECT_EQ(publish.properties.content_type, "x");
}

// An encoder of 3.1.1 writes nothing of level 5: its bytes are those that they were.
TEST(Codec5Test, Level311HasNoProperties) {
  EXPECT_EQ(Bytes(Publish{.topic = "t", .payload = "p", .properties = {.topic_alias = 1}}), "\x30\x04\0\x01tp"s);
  EXPECT_EQ(Bytes(Puback{1, ReasonCode::kNotAuthorized}), "\x40\x02\0\x01"s);
  EXPECT_EQ(Bytes(Unsuback{1, {0x11}}), "\xb0\x02\0\x01"s);
  EXPECT_EQ(Bytes(Disconnect{ReasonCode::kSessionTakenOver}), "\xe0\0"s);
}

TEST(UserPropertiesTest, KeepOrderAndRepeatedNames) {
  const std::string encoded = TwoUserProperties();
  UserProperties user(encoded);
  EXPECT_FALSE(user.empty());
  EXPECT_EQ(user.Find("traceparent"), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_EQ(user.Find("tracestate"), std::nullopt);
  UserProperty property;
  EXPECT_TRUE(user.Next(&property));
  EXPECT_TRUE(user.Next(&property));
  EXPECT_EQ(property.name, "traceparent");
  EXPECT_EQ(property.value, "");
  EXPECT_FALSE(user.Next(&property));
  EXPECT_TRUE(user.empty());
}

TEST(UserPropertiesTest, AreFoundBetweenOthers) {
  // Message expiry, user property, topic alias, user property, content type.
  const std::string block =
      "\x02\0\0\0\x05\x26\0\x01"s + "a\0\x01"s + "1\x23\0\x01\x26\0\x01"s + "b\0\x01"s + "2\x03\0\x01x"s;
  const std::string bytes =
      "\x30"s + static_cast<char>(4 + block.size()) + "\0\x01t"s + static_cast<char>(block.size()) + block;
  const auto publish = Decode<Publish>(bytes, kLevel5);
  EXPECT_EQ(publish.properties.user.Find("a"), "1");
  EXPECT_EQ(publish.properties.user.Find("b"), "2");
  EXPECT_EQ(publish.properties.topic_alias, 1);
  EXPECT_EQ(publish.properties.content_type, "x");
}

// --- Data representation ---

TEST(Mqtt5DataTest, Mqtt5_1_5_4_1IllFormedTextIsMalformed) {
  for (const std::string& bad : {"\xff"s, "\xed\xa0\x80"s, "\xc0\x80"s}) {
    Connect connect = NodeConnect5();
    connect.client_id = bad;
    EXPECT_EQ(ViolationOf5(Bytes5(connect)), Violation::kBadText);
    EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = bad})), Violation::kBadText);
    EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "t", .properties = {.content_type = bad}})), Violation::kBadText);
    EXPECT_EQ(ReasonOf(Violation::kBadText), ReasonCode::kMalformedPacket);
  }
}

TEST(Mqtt5DataTest, Mqtt5_1_5_4_2NoNulInText) {
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "a\0b"s})), Violation::kBadText);
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "t", .properties = {.content_type = "a\0b"s}})), Violation::kBadText);
}

TEST(Mqtt5DataTest, Mqtt5_1_5_4_3ByteOrderMarkIsKept) {
  const std::string bytes = Bytes5(Publish{.topic = "\xef\xbb\xbft", .properties = {.content_type = "\xef\xbb\xbf"}});
  EXPECT_EQ(Decode<Publish>(bytes, kLevel5).topic, "\xef\xbb\xbft");
  EXPECT_EQ(Decode<Publish>(bytes, kLevel5).properties.content_type, "\xef\xbb\xbf");
}

TEST(Mqtt5DataTest, Mqtt5_1_5_5_1VariableIntegersAreAsShortAsPossible) {
  EXPECT_EQ(ViolationOf5("\xc0\x80\x00"s), Violation::kRemainingLength);
  EXPECT_EQ(ViolationOf5("\x30\x05\0\x01t\x80\x00"s), Violation::kVariableInteger);  // Property length.
  EXPECT_EQ(ViolationOf5("\x82\x0b\0\x01\x03\x0b\x81\x00\0\x01t\0\0"s), Violation::kVariableInteger);  // A value.
  EXPECT_EQ(ViolationOf5("\x30\x08\0\x01t\xff\xff\xff\xff\x01"s), Violation::kVariableInteger);
  EXPECT_EQ(ReasonOf(Violation::kVariableInteger), ReasonCode::kMalformedPacket);
  std::string connect = Bytes5(NodeConnect5());
  ASSERT_LT(static_cast<uint8_t>(connect[1]), 128);
  connect = connect.substr(0, 1) + static_cast<char>(connect[1] | '\x80') + "\0"s + connect.substr(2);
  EXPECT_EQ(ViolationOf(connect), Violation::kRemainingLength);
}

TEST(Mqtt5DataTest, Mqtt5_1_5_7_1BothStringsOfAUserPropertyAreText) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"\xff", "v"}, {"n", "\xff"}, {"n", "\0"s}}) {
    std::string encoded;
    AppendUserProperty(name, value, &encoded);
    EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "t", .properties = {.user = UserProperties(encoded)}})),
              Violation::kBadText);
  }
}

// --- Fixed header, packet ids, properties ---

TEST(Mqtt5HeaderTest, Mqtt5_2_1_3_1ReservedFlagsMustHaveTheListedValues) {
  for (const std::string& bytes : AllPackets5()) {
    if ((bytes[0] >> 4 & 0xf) == 3) continue;  // PUBLISH uses them.
    for (int flags = 0; flags < 16; ++flags) {
      std::string changed = bytes;
      changed[0] = static_cast<char>((bytes[0] & 0xf0) | flags);
      const bool is_legal = changed[0] == bytes[0];
      EXPECT_EQ(ViolationOf5(changed), is_legal ? Violation::kNone : Violation::kReservedFlags);
    }
  }
  EXPECT_EQ(ReasonOf(Violation::kReservedFlags), ReasonCode::kMalformedPacket);
}

TEST(Mqtt5HeaderTest, Mqtt5_2_2_1_2NoPacketIdAtQos0) {
  EXPECT_EQ(Decode<Publish>("\x30\x06\0\x01t\0\0\x01"s, kLevel5).payload, "\0\x01"s);
}

TEST(Mqtt5HeaderTest, Mqtt5_2_2_1_3PacketIdsAreNotZero) {
  EXPECT_EQ(ViolationOf5("\x32\x06\0\x01t\0\0\0"s), Violation::kPacketIdZero);
  EXPECT_EQ(ViolationOf5("\x82\x07\0\0\0\0\x01t\0"s), Violation::kPacketIdZero);
  EXPECT_EQ(ViolationOf5("\xa2\x06\0\0\0\0\x01t"s), Violation::kPacketIdZero);
  EXPECT_EQ(ReasonOf(Violation::kPacketIdZero), ReasonCode::kProtocolError);
}

TEST(Mqtt5HeaderTest, Mqtt5_2_2_2_1NoPropertiesAreALengthOfZero) {
  EXPECT_EQ(Bytes5(Publish{.topic = "t", .payload = "p"}), "\x30\x05\0\x01t\0p"s);
  EXPECT_EQ(Bytes5(Suback{1, {0}}), "\x90\x04\0\x01\0\0"s);
  EXPECT_EQ(ViolationOf5("\x30\x03\0\x01t"s), Violation::kTruncated);
  EXPECT_EQ(ViolationOf5("\x90\x03\0\x01\0"s), Violation::kNoFilter);
}

TEST(Mqtt5PropertyTest, UnknownOrMisplacedOnesAreMalformed) {
  // 0x00, 0x04 and 0x7f do not exist; a session expiry, a reason string and a maximum QoS are of other packets.
  for (const std::string& property : {"\0\0"s, "\x04\0"s, "\x7f\0"s, "\x11\0\0\0\0"s, "\x1f\0\0"s, "\x24\0"s}) {
    const std::string bytes =
        "\x30"s + static_cast<char>(4 + property.size()) + "\0\x01t"s + static_cast<char>(property.size()) + property;
    EXPECT_EQ(ViolationOf5(bytes), Violation::kUnknownProperty);
  }
  EXPECT_EQ(ReasonOf(Violation::kUnknownProperty), ReasonCode::kMalformedPacket);
}

// Every property of every packet appears in the full packets above: repeating any but a user property is an error.
TEST(Mqtt5PropertyTest, ARepeatedOneIsAProtocolError) {
  EXPECT_EQ(ViolationOf5("\x30\x08\0\x01t\x04\x01\0\x01\0"s), Violation::kRepeatedProperty);
  EXPECT_EQ(ViolationOf5("\x30\x0a\0\x01t\x06\x23\0\x01\x23\0\x01"s), Violation::kRepeatedProperty);
  EXPECT_EQ(ViolationOf5("\x30\x0a\0\x01t\x06\x03\0\0\x03\0\0"s), Violation::kRepeatedProperty);
  EXPECT_EQ(ViolationOf5("\xe0\x0c\0\x0a\x11\0\0\0\0\x11\0\0\0\0"s), Violation::kRepeatedProperty);
  EXPECT_EQ(ReasonOf(Violation::kRepeatedProperty), ReasonCode::kProtocolError);
}

TEST(Mqtt5PropertyTest, ValuesOutsideOfTheirRangeAreProtocolErrors) {
  for (const ConnectProperties& properties :
       {ConnectProperties{.receive_maximum = 0}, ConnectProperties{.packet_bytes_max = 0}}) {
    Connect connect = NodeConnect5();
    connect.properties = properties;
    EXPECT_EQ(ViolationOf5(Bytes5(connect)), Violation::kPropertyValue);
  }
  EXPECT_EQ(ViolationOf5("\x30\x06\0\x01t\x02\x01\x02"s), Violation::kPropertyValue);        // Payload format 2.
  EXPECT_EQ(ViolationOf5("\x82\x09\0\x01\x02\x0b\0\0\x01t\0"s), Violation::kPropertyValue);  // Subscription id 0.
  EXPECT_EQ(ReasonOf(Violation::kPropertyValue), ReasonCode::kProtocolError);
}

TEST(Mqtt5PropertyTest, LengthPastTheEndIsMalformed) {
  EXPECT_EQ(ViolationOf5("\x30\x05\0\x01t\x02\x01"s), Violation::kTruncated);
  EXPECT_EQ(ViolationOf5("\x30\x08\0\x01t\x02\x02\0\0\0"s), Violation::kTruncated);  // Cuts its last value.
  EXPECT_EQ(ReasonOf(Violation::kTruncated), ReasonCode::kMalformedPacket);
}

// --- CONNECT ---

std::string WithFlags5(const Connect& connect, uint8_t flags) {
  std::string bytes = Bytes5(connect);
  bytes[bytes.find("MQTT") + 5] = static_cast<char>(flags);
  return bytes;
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_2_1ProtocolNameIsMqtt) {
  std::string bytes = Bytes5(NodeConnect5());
  bytes[bytes.find("MQTT")] = 'm';
  EXPECT_EQ(ViolationOf(bytes), Violation::kProtocolName);
  EXPECT_EQ(ReasonOf(Violation::kProtocolName), ReasonCode::kUnsupportedProtocolVersion);
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_2_3ReservedFlagMustBeZero) {
  EXPECT_EQ(ViolationOf5(WithFlags5(NodeConnect5(), 0xc1)), Violation::kConnectFlags);
  EXPECT_EQ(ReasonOf(Violation::kConnectFlags), ReasonCode::kMalformedPacket);
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_2_9WillFieldsMustBeThere) {
  EXPECT_NE(ViolationOf5(WithFlags5(NodeConnect5(), 0xc4)), Violation::kNone);
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_2_11WithoutWillItsQosIsZero) {
  EXPECT_EQ(ViolationOf5(WithFlags5(NodeConnect5(), 0xc8)), Violation::kConnectFlags);
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_2_12WillQosThreeIsMalformed) {
  EXPECT_EQ(ViolationOf5(WithFlags5(FullConnect(""), 0xde)), Violation::kConnectFlags);
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_2_13WithoutWillRetainIsZero) {
  EXPECT_EQ(ViolationOf5(WithFlags5(NodeConnect5(), 0xe0)), Violation::kConnectFlags);
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_2_16To19FlagsAndPayloadMustAgree) {
  EXPECT_EQ(ViolationOf5(WithFlags5(NodeConnect5(), 0x80)), Violation::kTrailingBytes);
  EXPECT_EQ(ViolationOf5(WithFlags5(NodeConnect5(), 0x00)), Violation::kTrailingBytes);
  Connect connect = NodeConnect5();
  connect.password.reset();
  EXPECT_EQ(ViolationOf5(WithFlags5(connect, 0xc0)), Violation::kTruncated);
}

// MQTT 5 allows it; 3.1.1 does not (MQTT-3.1.2-22).
TEST(Mqtt5ConnectTest, PasswordWithoutUserNameIsLegal) {
  Connect connect = NodeConnect5();
  connect.username.reset();
  EXPECT_EQ(ViolationOf5(Bytes5(connect)), Violation::kNone);
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_3_1FieldsComeInTheirOrder) {
  const std::string bytes = Bytes5(FullConnect(""));
  EXPECT_LT(bytes.find("dev-1"), bytes.find("text/plain"));
  EXPECT_LT(bytes.find("text/plain"), bytes.find("devices/dev-1"));
  EXPECT_LT(bytes.find("devices/dev-1"), bytes.find("gone"));
  EXPECT_LT(bytes.find("gone"), bytes.find("hub.test.local"));
  EXPECT_LT(bytes.find("hub.test.local"), bytes.find("SharedAccess"));
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_3_3ClientIdMustBePresent) {
  EXPECT_EQ(ViolationOf("\x10\x0b\0\x04MQTT\x05\x02\0\x3c\0"s), Violation::kTruncated);
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_3_4ClientIdIsText) {
  Connect connect = NodeConnect5();
  connect.client_id = "a\xc0\x80";
  EXPECT_EQ(ViolationOf(Bytes5(connect)), Violation::kBadText);
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_3_11WillTopicIsText) {
  Connect connect = FullConnect("");
  connect.will->topic = "a\xff";
  EXPECT_EQ(ViolationOf(Bytes5(connect)), Violation::kBadText);
}

TEST(Mqtt5ConnectTest, Mqtt5_3_1_3_12UserNameIsText) {
  Connect connect = NodeConnect5();
  connect.username = "a\xff";
  EXPECT_EQ(ViolationOf(Bytes5(connect)), Violation::kBadText);
}

TEST(Mqtt5ConnectTest, DataWithoutMethodIsAProtocolError) {
  Connect connect = NodeConnect5();
  connect.properties.authentication_data = "d";
  EXPECT_EQ(ViolationOf(Bytes5(connect)), Violation::kNoAuthentication);
  EXPECT_EQ(ReasonOf(Violation::kNoAuthentication), ReasonCode::kProtocolError);
}

TEST(Mqtt5ConnectTest, TheReaderKnowsTheLevelOfABadConnect) {
  Connect connect = NodeConnect5();
  connect.client_id = "\xff";
  const std::string bytes = Bytes5(connect);
  PacketReader reader;
  Packet packet;
  std::string_view input = bytes;
  EXPECT_EQ(reader.Next(kAll, &input, &packet), PacketReader::Result::kViolation);
  EXPECT_EQ(reader.level(), kLevel5);
}

// --- CONNACK ---

TEST(Mqtt5ConnackTest, Mqtt5_3_2_2_1ReservedBitsAreZero) {
  EXPECT_EQ(ViolationOf5("\x20\x03\x02\0\0"s), Violation::kReservedFlags);
}

TEST(Mqtt5ConnackTest, Mqtt5_3_2_2_6NoSessionPresentInARefusal) {
  EXPECT_EQ(ViolationOf5("\x20\x03\x01\x87\0"s), Violation::kReservedFlags);
}

TEST(Mqtt5ConnackTest, Mqtt5_3_2_2_8OnlyConnectReasonCodes) {
  EXPECT_EQ(ViolationOf5("\x20\x03\0\x8e\0"s), Violation::kBadReturnCode);  // Taken over: of a DISCONNECT.
  EXPECT_EQ(ViolationOf5("\x20\x03\0\x8c\0"s), Violation::kNone);
}

// --- PUBLISH ---

TEST(Mqtt5PublishTest, Mqtt5_3_3_1_2DupMustBeZeroAtQos0) {
  EXPECT_EQ(ViolationOf5("\x38\x04\0\x01t\0"s), Violation::kDupAtQos0);
}

TEST(Mqtt5PublishTest, Mqtt5_3_3_1_4QosThreeIsMalformed) {
  EXPECT_EQ(ViolationOf5("\x36\x06\0\x01t\0\x01\0"s), Violation::kBadQos);
  EXPECT_EQ(ReasonOf(Violation::kBadQos), ReasonCode::kMalformedPacket);
}

TEST(Mqtt5PublishTest, Mqtt5_3_3_2_1TopicIsText) {
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "\xff"})), Violation::kBadText);
}

TEST(Mqtt5PublishTest, Mqtt5_3_3_2_2NoWildcardInATopicName) {
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "a/#"})), Violation::kWildcardTopic);
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "a/+"})), Violation::kWildcardTopic);
}

TEST(Mqtt5PublishTest, Mqtt5_3_3_2_8TopicAliasIsNotZero) {
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "t", .properties = {.topic_alias = 0}})), Violation::kTopicAliasZero);
  EXPECT_EQ(ReasonOf(Violation::kTopicAliasZero), ReasonCode::kTopicAliasInvalid);
}

TEST(Mqtt5PublishTest, Mqtt5_3_3_2_13ResponseTopicIsText) {
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "t", .properties = {.response_topic = "\xff"}})), Violation::kBadText);
}

TEST(Mqtt5PublishTest, Mqtt5_3_3_2_14NoWildcardInAResponseTopic) {
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "t", .properties = {.response_topic = "a/+"}})),
            Violation::kWildcardTopic);
  EXPECT_EQ(ReasonOf(Violation::kWildcardTopic), ReasonCode::kProtocolError);
}

TEST(Mqtt5PublishTest, Mqtt5_3_3_2_19ContentTypeIsText) {
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "t", .properties = {.content_type = "\xff"}})), Violation::kBadText);
}

TEST(Mqtt5PublishTest, Mqtt5_4_7_3_1EmptyTopicNeedsAnAlias) {
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = ""})), Violation::kEmptyTopic);
  EXPECT_EQ(ViolationOf5(Bytes5(Publish{.topic = "", .properties = {.topic_alias = 1}})), Violation::kNone);
  EXPECT_EQ(ViolationOf5(Bytes5(Subscribe{1, {{"", 0}}})), Violation::kEmptyTopic);
}

// --- Acknowledgements ---

TEST(Mqtt5AckTest, Mqtt5_3_4_2_1OnlyPubackReasonCodes) {
  EXPECT_EQ(ViolationOf5("\x40\x03\0\x01\x8f"s), Violation::kBadReturnCode);
  EXPECT_EQ(ViolationOf5("\x40\x03\0\x01\x10"s), Violation::kNone);
}

TEST(Mqtt5AckTest, Mqtt5_3_9_3_2OnlySubscribeReasonCodes) {
  EXPECT_EQ(ViolationOf5("\x90\x04\0\x01\0\x90"s), Violation::kBadReturnCode);
}

TEST(Mqtt5AckTest, Mqtt5_3_11_3_2OnlyUnsubscribeReasonCodes) {
  EXPECT_EQ(ViolationOf5("\xb0\x04\0\x01\0\x01"s), Violation::kBadReturnCode);
}

// --- SUBSCRIBE, UNSUBSCRIBE ---

TEST(Mqtt5SubscribeTest, Mqtt5_3_8_1_1FlagsAre0010) {
  EXPECT_EQ(ViolationOf5("\x80\x07\0\x01\0\0\x01t\0"s), Violation::kReservedFlags);
}

TEST(Mqtt5SubscribeTest, Mqtt5_3_8_3_1FiltersAreText) {
  EXPECT_EQ(ViolationOf5(Bytes5(Subscribe{1, {{"\xff", 0}}})), Violation::kBadText);
}

TEST(Mqtt5SubscribeTest, Mqtt5_3_8_3_2AtLeastOneFilter) {
  EXPECT_EQ(ViolationOf5("\x82\x03\0\x01\0"s), Violation::kNoFilter);
  EXPECT_EQ(ReasonOf(Violation::kNoFilter), ReasonCode::kProtocolError);
}

TEST(Mqtt5SubscribeTest, Mqtt5_3_8_3_4NoLocalOnASharedSubscription) {
  EXPECT_EQ(ViolationOf5(Bytes5(Subscribe{1, {{.filter = "$share/g/t", .no_local = true}}})),
            Violation::kSubscriptionOption);
  EXPECT_EQ(ReasonOf(Violation::kSubscriptionOption), ReasonCode::kProtocolError);
}

TEST(Mqtt5SubscribeTest, Mqtt5_3_8_3_5ReservedOptionBitsAreMalformed) {
  EXPECT_EQ(ViolationOf5("\x82\x07\0\x01\0\0\x01t\x40"s), Violation::kReservedOption);
  EXPECT_EQ(ViolationOf5("\x82\x07\0\x01\0\0\x01t\x80"s), Violation::kReservedOption);
  EXPECT_EQ(ReasonOf(Violation::kReservedOption), ReasonCode::kMalformedPacket);
  EXPECT_EQ(ViolationOf5("\x82\x07\0\x01\0\0\x01t\x03"s), Violation::kSubscriptionOption);  // QoS 3.
  EXPECT_EQ(ViolationOf5("\x82\x07\0\x01\0\0\x01t\x30"s), Violation::kSubscriptionOption);  // Retain handling 3.
}

TEST(Mqtt5SubscribeTest, Mqtt5_3_10_1_1FlagsOfUnsubscribeAre0010) {
  EXPECT_EQ(ViolationOf5("\xa0\x06\0\x01\0\0\x01t"s), Violation::kReservedFlags);
}

TEST(Mqtt5SubscribeTest, Mqtt5_3_10_3_1FiltersOfUnsubscribeAreText) {
  EXPECT_EQ(ViolationOf5(Bytes5(Unsubscribe{1, {"\xff"}})), Violation::kBadText);
}

TEST(Mqtt5SubscribeTest, Mqtt5_3_10_3_2UnsubscribeHasAtLeastOneFilter) {
  EXPECT_EQ(ViolationOf5("\xa2\x03\0\x01\0"s), Violation::kNoFilter);
}

// --- DISCONNECT, AUTH ---

TEST(Mqtt5DisconnectTest, Mqtt5_3_14_1_1ReservedBitsAreZero) {
  EXPECT_EQ(ViolationOf5("\xe1\0"s), Violation::kReservedFlags);
}

TEST(Mqtt5DisconnectTest, Mqtt5_3_14_2_1OnlyDisconnectReasonCodes) {
  EXPECT_EQ(ViolationOf5("\xe0\x01\x01"s), Violation::kBadReturnCode);
  EXPECT_EQ(ViolationOf5("\xe0\x01\x04"s), Violation::kNone);
}

TEST(Mqtt5AuthTest, Mqtt5_3_15_1_1ReservedBitsAreZero) {
  EXPECT_EQ(ViolationOf5("\xf1\0"s), Violation::kReservedFlags);
}

TEST(Mqtt5AuthTest, Mqtt5_3_15_2_1OnlyAuthenticateReasonCodes) {
  EXPECT_EQ(ViolationOf5(Bytes5(Auth{ReasonCode::kNotAuthorized, {.method = "SAS"}})), Violation::kBadReturnCode);
}

TEST(Mqtt5AuthTest, WithoutAMethodItIsAProtocolError) {
  EXPECT_EQ(ViolationOf5("\xf0\x02\x19\0"s), Violation::kNoAuthentication);
}

TEST(Mqtt5AuthTest, Level311HasNone) { EXPECT_EQ(ViolationOf("\xf0\0"s), Violation::kReservedType); }

// --- Limits of the server's end ---

TEST(Mqtt5LimitsTest, OverTheLimitIsRefusedWithoutTheBody) {
  const auto violation = [](const std::string& bytes) { return ViolationOf(bytes, kServerLimits5, kLevel5); };
  EXPECT_EQ(violation("\x30\xfc\xff\x11"s), Violation::kNone);      // 294,908: a packet of 294,912.
  EXPECT_EQ(violation("\x30\xfd\xff\x11"s), Violation::kTooLarge);  // 294,909
  EXPECT_EQ(violation("\x82\x81\x40"s), Violation::kTooLarge);      // 8,193
  EXPECT_EQ(violation("\xf0\x81\x40"s), Violation::kTooLarge);
  EXPECT_EQ(violation("\xc0\x01"s), Violation::kTooLarge);
  EXPECT_EQ(ReasonOf(Violation::kTooLarge), ReasonCode::kPacketTooLarge);
}

TEST(Mqtt5LimitsTest, Q18TypesThatOnlyServersSendAreRefused) {
  for (const char first : {'\x20', '\x50', '\x62', '\x70', '\x90', '\xb0', '\xd0'}) {
    EXPECT_EQ(ViolationOf(std::string{first}, kServerLimits5, kLevel5), Violation::kUnexpectedType);
  }
  EXPECT_EQ(ReasonOf(Violation::kUnexpectedType), ReasonCode::kProtocolError);
}

TEST(Mqtt5LimitsTest, EveryViolationHasItsNameAndReason) {
  std::vector<std::string_view> names;
  for (int i = 1; i < kViolations; ++i) {
    const auto violation = static_cast<Violation>(i);
    EXPECT_NE(ViolationName(violation), "unknown");
    EXPECT_TRUE(IsReasonOf(PacketType::kDisconnect, ReasonOf(violation)) || violation == Violation::kProtocolName);
    names.push_back(ViolationName(violation));
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace fleetcast::mqtt
