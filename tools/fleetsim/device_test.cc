#include "tools/fleetsim/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/auth/sas_token.h"
#include "libs/mqtt/messages.h"
#include "libs/mqtt/topics.h"

namespace fleetcast::fleetsim {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// What a device told.
class Told final : public DeviceListener {
 public:
  void OnConnected() override { ++connected; }
  void OnRefused(mqtt::ConnectCode code) override { refused.push_back(code); }
  void OnSubscribed() override { ++subscribed; }
  void OnCall(std::string_view method, std::string_view request_id, std::string_view payload) override {
    calls.push_back(std::string(method) + "/" + std::string(request_id) + " " + std::string(payload));
  }
  void OnDesired(int64_t version, std::string_view) override {
    ++desired;
    desired_version = version;
  }
  void OnTwin(std::string_view) override { ++twins; }
  void OnReported() override { ++reported; }
  void OnReportAnswered(int status) override { answered.push_back(status); }

  int connected = 0;
  int subscribed = 0;
  int desired = 0;
  int64_t desired_version = 0;
  int twins = 0;
  int reported = 0;
  std::vector<int> answered;
  std::vector<mqtt::ConnectCode> refused;
  std::vector<std::string> calls;
};

// What the hub's end sees of it: one line a packet.
std::vector<std::string> Describe(std::string_view bytes) {
  std::vector<std::string> lines;
  mqtt::PacketReader reader;
  mqtt::Packet packet;
  while (reader.Next(mqtt::kServerLimits, &bytes, &packet) == mqtt::PacketReader::Result::kPacket) {
    if (std::holds_alternative<mqtt::Connect>(packet)) lines.push_back("CONNECT");
    if (std::holds_alternative<mqtt::Pingreq>(packet)) lines.push_back("PINGREQ");
    if (std::holds_alternative<mqtt::Disconnect>(packet)) lines.push_back("DISCONNECT");
    if (const auto* puback = std::get_if<mqtt::Puback>(&packet))
      lines.push_back("PUBACK " + std::to_string(puback->packet_id));
    if (const auto* subscribe = std::get_if<mqtt::Subscribe>(&packet)) {
      for (const auto& each : subscribe->subscriptions) lines.push_back("SUBSCRIBE " + std::string(each.filter));
    }
    if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
      lines.push_back(std::string(publish->topic) + " " + std::string(publish->payload));
    }
  }
  return lines;
}

class DeviceTest : public testing::Test {
 protected:
  DeviceTest() {
    profile_.hub_name = "hub.test.local";
    profile_.keep_alive = absl::Seconds(60);
    profile_.token_lifetime = absl::Hours(1);
    profile_.method_payload = "{\"ok\":true}";
  }

  // Connected, with what it said until then thrown away.
  Device Connected(int64_t index = 0) {
    Device device(profile_, index, "dev-1", key_);
    std::string out;
    device.Connect(absl::UnixEpoch(), &out);
    EXPECT_TRUE(device.Receive(Connack(mqtt::ConnectCode::kAccepted), told_, &out));
    return device;
  }

  static std::string Connack(mqtt::ConnectCode code) {
    std::string bytes;
    mqtt::Encode(mqtt::Connack{.code = code}, &bytes);
    return bytes;
  }

  static std::string MethodRequest() {
    std::string bytes;
    mqtt::AppendMethodRequest("lockDoor", 0x1f, "{}", &bytes);
    return bytes;
  }

  Profile profile_;
  const auth::Key key_ = auth::Key::Generate();
  Told told_;
  std::string out_;
};

TEST_F(DeviceTest, ConnectsAsTheSdksDo) {
  Device device(profile_, 0, "dev-1", key_);
  device.Connect(absl::FromUnixSeconds(1000), &out_);
  mqtt::PacketReader reader;
  mqtt::Packet packet;
  std::string_view bytes = out_;
  ASSERT_EQ(reader.Next(mqtt::kServerLimits, &bytes, &packet), mqtt::PacketReader::Result::kPacket);
  const auto& connect = std::get<mqtt::Connect>(packet);
  EXPECT_EQ(connect.client_id, "dev-1");
  EXPECT_FALSE(connect.clean_session);
  EXPECT_EQ(connect.keep_alive_seconds, 60);
  EXPECT_TRUE(connect.username->starts_with("hub.test.local/dev-1/?api-version="));
  const auto token = auth::ParseSasToken(*connect.password);
  ASSERT_TRUE(token.ok());
  EXPECT_TRUE(auth::IsSignedBy(*token, {.primary = key_, .secondary = {}}));
  EXPECT_EQ(token->resource, "hub.test.local%2Fdevices%2Fdev-1");
  EXPECT_EQ(token->expiry, absl::FromUnixSeconds(4600));
}

TEST_F(DeviceTest, SubscribesToMethodsOnceAccepted) {
  Device device(profile_, 0, "dev-1", key_);
  std::string ignored;
  device.Connect(absl::UnixEpoch(), &ignored);
  EXPECT_TRUE(device.Receive(Connack(mqtt::ConnectCode::kAccepted), told_, &out_));
  EXPECT_TRUE(device.is_connected());
  EXPECT_EQ(told_.connected, 1);
  EXPECT_THAT(Describe(out_), ElementsAre("SUBSCRIBE $iothub/methods/POST/#"));
}

TEST_F(DeviceTest, GivesUpARefusedConnection) {
  Device device(profile_, 0, "dev-1", key_);
  device.Connect(absl::UnixEpoch(), &out_);
  EXPECT_FALSE(device.Receive(Connack(mqtt::ConnectCode::kNotAuthorized), told_, &out_));
  EXPECT_THAT(told_.refused, ElementsAre(mqtt::ConnectCode::kNotAuthorized));
  EXPECT_FALSE(device.is_connected());
}

TEST_F(DeviceTest, TellsOfCallsAndAnswersThem) {
  Device device = Connected();
  ASSERT_TRUE(device.Receive(MethodRequest(), told_, &out_));
  EXPECT_THAT(told_.calls, ElementsAre("lockDoor/1f {}"));
  EXPECT_THAT(out_, IsEmpty());
  EXPECT_EQ(device.Answer("1f", device.UsualPayload(), &out_), 200);
  EXPECT_THAT(Describe(out_), ElementsAre("$iothub/methods/res/200/?$rid=1f {\"ok\":true}"));
}

TEST_F(DeviceTest, AFailingDeviceAnswers500) {
  profile_.fail_share = 1;
  Device device = Connected();
  EXPECT_EQ(device.Answer("1f", device.UsualPayload(), &out_), 500);
  EXPECT_THAT(Describe(out_), ElementsAre("$iothub/methods/res/500/?$rid=1f {\"error\":\"simulated\"}"));
}

TEST_F(DeviceTest, ReadsPacketsCutAnywhere) {
  Device device = Connected();
  for (const char byte : MethodRequest()) ASSERT_TRUE(device.Receive({&byte, 1}, told_, &out_));
  EXPECT_THAT(told_.calls, ElementsAre("lockDoor/1f {}"));
}

TEST_F(DeviceTest, ReportsWhatItsDesiredPropertiesBecome) {
  profile_.apply_desired = true;
  Device device = Connected();
  std::string bytes;
  mqtt::AppendDesiredChange(9, "{\"floor\":3,\"old\":null,\"$version\":9}", &bytes);
  ASSERT_TRUE(device.Receive(bytes, told_, &out_));
  EXPECT_EQ(told_.desired, 1);
  EXPECT_EQ(told_.desired_version, 9);
  EXPECT_EQ(told_.reported, 1);
  EXPECT_THAT(Describe(out_),
              ElementsAre("$iothub/twin/PATCH/properties/reported/?$rid=r1 {\"floor\":3,\"old\":null}"));
}

TEST_F(DeviceTest, ReportsAgainWhenTheLastReportIsAnswered) {
  profile_.report_without_pause = true;
  Device device = Connected();
  std::string bytes;
  mqtt::Encode(mqtt::Suback{1, {0, 0}}, &bytes);
  ASSERT_TRUE(device.Receive(bytes, told_, &out_));
  bytes.clear();
  mqtt::AppendTwinResponse(204, "r1", 7, "", &bytes);
  ASSERT_TRUE(device.Receive(bytes, told_, &out_));
  EXPECT_THAT(Describe(out_), ElementsAre("$iothub/twin/PATCH/properties/reported/?$rid=r1 {\"count\":1}",
                                          "$iothub/twin/PATCH/properties/reported/?$rid=r2 {\"count\":2}"));
  EXPECT_EQ(told_.reported, 2);
  EXPECT_THAT(told_.answered, ElementsAre(204));
}

TEST_F(DeviceTest, AsksForTheTwinAfterConnectingAndReportsOnlyWhatDiffers) {
  profile_.apply_desired = true;
  Device device(profile_, 0, "dev-1", key_);
  std::string ignored;
  device.Connect(absl::UnixEpoch(), &ignored);
  ASSERT_TRUE(device.Receive(Connack(mqtt::ConnectCode::kAccepted), told_, &out_));
  EXPECT_THAT(Describe(out_), testing::Contains("$iothub/twin/GET/?$rid=twin "));
  std::string same;
  mqtt::AppendTwinResponse(200, "twin", std::nullopt,
                           R"({"desired":{"a":1,"$version":2},"reported":{"a":1,"b":2,"$version":5}})", &same);
  ASSERT_TRUE(device.Receive(same, told_, &out_));
  EXPECT_EQ(told_.twins, 1);
  EXPECT_EQ(told_.reported, 0);
  std::string other;
  mqtt::AppendTwinResponse(200, "twin", std::nullopt,
                           R"({"desired":{"a":2,"$version":3},"reported":{"a":1,"$version":5}})", &other);
  ASSERT_TRUE(device.Receive(other, told_, &out_));
  EXPECT_EQ(told_.reported, 1);
}

TEST_F(DeviceTest, NoticesThatPingsAreNotAnswered) {
  Device device = Connected();
  EXPECT_TRUE(device.Ping(&out_));
  EXPECT_THAT(Describe(out_), ElementsAre("PINGREQ"));
  std::string pong;
  mqtt::Encode(mqtt::Pingresp{}, &pong);
  ASSERT_TRUE(device.Receive(pong, told_, &out_));
  EXPECT_TRUE(device.Ping(&out_));
  EXPECT_FALSE(device.Ping(&out_));
}

TEST_F(DeviceTest, ClosesOnBytesThatAreNotMqtt) {
  Device device = Connected();
  EXPECT_FALSE(device.Receive("HTTP/1.1 400 Bad Request\r\n", told_, &out_));
}

}  // namespace
}  // namespace fleetcast::fleetsim
