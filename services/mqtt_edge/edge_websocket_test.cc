// MQTT over WebSocket with real sockets (device-mqtt.md 1.2). What is the same on every transport is in edge_test.cc.
#include <string>

#include "libs/websocket/test_support.h"
#include "services/mqtt_edge/testing/edge_fixture.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using fleetcast::testing::WaitFor;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using websocket::ClientFrameBytes;
using websocket::Opcode;

class EdgeWebSocketTest : public EdgeTest {
 protected:
  // A client of the plain WebSocket port that has sent nothing yet.
  TestDevice NewRawClient() { return TestDevice(edge_->port(Mode::kWebSocketPlain), Mode::kPlain); }

  std::string HeadFor(const std::string& request) {
    TestDevice client = NewRawClient();
    client.SendRaw(request);
    const std::string head = client.ReadRawUntil("\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 101 ") || client.WaitForClose());
    return head;
  }

  static std::string ConnectBytes(const std::string& device_id) {
    const std::string username = "hub.test.local/" + device_id + "/?api-version=2021-04-12";
    mqtt::Connect connect;
    connect.client_id = device_id;
    connect.username = username;
    connect.password = "x";
    std::string bytes;
    mqtt::Encode(connect, &bytes);
    return bytes;
  }
};

TEST_F(EdgeWebSocketTest, UpgradesAsEachSdkAsks) {
  StartEdge();
  EXPECT_THAT(HeadFor(websocket::UpgradeRequest("/$iothub/websocket?iothub-no-client-cert=true")),
              HasSubstr("\r\nSec-WebSocket-Protocol: mqtt\r\n"));
  EXPECT_THAT(HeadFor(websocket::UpgradeRequest("/%24iothub/websocket", "MQTT")),
              HasSubstr("\r\nSec-WebSocket-Protocol: MQTT\r\n"));
  EXPECT_THAT(HeadFor(websocket::UpgradeRequest("/mqtt", "mqtt", "Origin: https://elsewhere\r\n")),
              StartsWith("HTTP/1.1 101 "));
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_websocket_upgrades_total") == 3; }));
}

TEST_F(EdgeWebSocketTest, RefusesWithAnHttpErrorAndCloses) {
  StartEdge();
  EXPECT_THAT(HeadFor(websocket::UpgradeRequest("/elsewhere")), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(HeadFor(websocket::UpgradeRequest("/mqtt", "AMQPWSB10")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(HeadFor("POST /mqtt HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(HeadFor("GET /mqtt HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 426 "));
  EXPECT_THAT(HeadFor("GET /mqtt HTTP/1.1\r\nX: " + std::string(9000, 'x')), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(HeadFor(ConnectBytes("dev-1")), StartsWith("HTTP/1.1 400 "));
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_disconnects_total{reason=\"upgrade_refused\"}") == 6; }));
  EXPECT_EQ(Metric("fleetcast_edge_websocket_refusals_total{status=\"400\"}"), 2);
  EXPECT_TRUE(WaitFor([&] { return edge_->open_connections() == 0; }));
}

TEST_F(EdgeWebSocketTest, ConnectThatComesWithTheRequestIsAnswered) {
  StartEdge();
  TestDevice client = NewRawClient();
  client.SendRaw(websocket::UpgradeRequest() + ClientFrameBytes({.payload = ConnectBytes("dev-1")}));
  EXPECT_THAT(client.ReadRawUntil("\r\n\r\n"), StartsWith("HTTP/1.1 101 "));
  EXPECT_EQ(client.ReadFrame()->payload, "\x20\x02\0\0"s);
}

TEST_F(EdgeWebSocketTest, RefusedConnectWithTheRequestIsAnsweredInOrder) {
  StartEdge();
  TestDevice client = NewRawClient();
  const std::string connect = "\x10\x0d\0\x04MQTT\x03\x02\0\x3c\0\x01x"s;  // Level 3: CONNACK 1 at once.
  client.SendRaw(websocket::UpgradeRequest() + ClientFrameBytes({.payload = connect}));
  EXPECT_THAT(client.ReadRawUntil("\r\n\r\n"), StartsWith("HTTP/1.1 101 "));
  EXPECT_EQ(client.ReadFrame()->payload, "\x20\x02\0\x01"s);
  const auto close = client.ReadFrame();
  ASSERT_TRUE(close.has_value());
  EXPECT_EQ(close->opcode, Opcode::kClose);
  EXPECT_EQ(close->payload, "\x03\xf0");  // 1008
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(EdgeWebSocketTest, PacketsAndFramesNeedNotCoincide) {
  StartEdge();
  TestDevice device = NewDevice(Mode::kWebSocketTls);
  const std::string connect = ConnectBytes("dev-1");
  for (const char c : connect) device.SendRaw(ClientFrameBytes({.payload = std::string_view(&c, 1)}));
  EXPECT_EQ(device.ReadPacket(), "\x20\x02\0\0"s);
  std::string pings = "\xc0\0\xc0\0\xc0"s;  // Two and a half in fragments, the rest in a message of its own.
  device.SendRaw(ClientFrameBytes({.is_final = false, .payload = pings.substr(0, 3)}));
  device.SendRaw(ClientFrameBytes({.opcode = Opcode::kPing, .payload = "between"}));
  device.SendRaw(ClientFrameBytes({.opcode = Opcode::kContinuation, .payload = pings.substr(3)}));
  device.SendRaw(ClientFrameBytes({.payload = "\0"s}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(device.ReadPacket(), "\xd0\0"s);
}

TEST_F(EdgeWebSocketTest, PingIsAnsweredAndIsNoMqtt) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1", Mode::kWebSocketPlain);
  device.SendRaw(ClientFrameBytes({.opcode = Opcode::kPing, .payload = "are you there"}));
  const auto pong = device.ReadFrame();
  ASSERT_TRUE(pong.has_value());
  EXPECT_EQ(pong->opcode, Opcode::kPong);
  EXPECT_EQ(pong->payload, "are you there");
}

TEST_F(EdgeWebSocketTest, Q22WhatIsNoBinaryMaskedFrameIsClosedWithItsCode) {
  StartEdge();
  const struct {
    std::string bytes;
    std::string code;
    const char* kind;
  } cases[] = {
      {ClientFrameBytes({.opcode = Opcode::kText, .payload = "x"}), "\x03\xeb", "text"},
      {ClientFrameBytes({.is_masked = false, .payload = "x"}), "\x03\xea", "unmasked"},
      {"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0"s, "\x03\xea", "length"},
      {"\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0"s, "\x03\xf1", "too_large"},
      {ClientFrameBytes({.opcode = Opcode::kPing, .is_final = false}), "\x03\xea", "control_frame"},
  };
  for (const auto& [bytes, code, kind] : cases) {
    TestDevice device = NewDevice(Mode::kWebSocketPlain);
    device.SendRaw(bytes);
    const auto close = device.ReadFrame();
    ASSERT_TRUE(close.has_value()) << kind;
    EXPECT_EQ(close->opcode, Opcode::kClose) << kind;
    EXPECT_EQ(close->payload, code) << kind;
    EXPECT_TRUE(device.WaitForClose()) << kind;
    EXPECT_EQ(Metric("fleetcast_edge_websocket_violations_total{kind=\""s + kind + "\"}"), 1);
  }
}

TEST_F(EdgeWebSocketTest, CloseIsAnsweredAndEndsTheSession) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1", Mode::kWebSocketTls);
  device.SendRaw(ClientFrameBytes({.opcode = Opcode::kClose, .payload = "\x03\xe8"}));
  const auto close = device.ReadFrame();
  ASSERT_TRUE(close.has_value());
  EXPECT_EQ(close->opcode, Opcode::kClose);
  EXPECT_EQ(close->payload, "\x03\xe8");
  EXPECT_TRUE(device.WaitForClose());
  EXPECT_TRUE(WaitFor([&] { return hub_.closed().size() == 1; }));
}

TEST_F(EdgeWebSocketTest, DrainSaysGoingAway) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1", Mode::kWebSocketTls);
  std::jthread drain([&] { edge_->Drain({}); });
  const auto close = device.ReadFrame();
  ASSERT_TRUE(close.has_value());
  EXPECT_EQ(close->opcode, Opcode::kClose);
  EXPECT_EQ(close->payload, "\x03\xe9");
  EXPECT_TRUE(device.WaitForClose());
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
