// Connections that a load balancer brings, with real sockets (D-TLS-9).
#include <string>

#include "services/mqtt_edge/testing/edge_fixture.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using fleetcast::testing::WaitFor;

// A header that says that 10.1.2.`last` connects.
std::string HeaderFor(char last) {
  return "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x01\x02"s + last + "\x7f\0\0\x01\x30\x39\x22\xb3"s;
}
const std::string kLocal = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"s;

class EdgeProxyTest : public EdgeTest, public ::testing::WithParamInterface<TestDevice::Mode> {
 protected:
  void StartProxiedEdge(const std::function<void(Config&)>& change = [](Config&) {}) {
    StartEdge([&](Config& config) {
      config.loops = 1;
      config.proxy_protocol = {"tls", "plain", "ws", "ws-plain"};
      change(config);
    });
  }
  TestDevice Connect(const std::string& header) {
    return TestDevice(edge_->port(GetParam()), GetParam(), "", "", header);
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, EdgeProxyTest,
                         ::testing::Values(ListenerKind::kPlain, ListenerKind::kTls, ListenerKind::kWebSocketPlain,
                                           ListenerKind::kWebSocketTls));

TEST_P(EdgeProxyTest, TheAddressInTheHeaderIsTheDevices) {
  StartProxiedEdge();
  TestDevice device = Connect(HeaderFor(7));
  ASSERT_TRUE(device.is_connected());
  device.SendConnect("dev-1");
  EXPECT_EQ(device.ReadPacket(), "\x20\x02\0\0"s);
  EXPECT_EQ(hub_.Find("dev-1").open.peer(), "10.1.2.7");
}

TEST_P(EdgeProxyTest, AConnectionOfTheProxyItselfHasItsOwn) {
  StartProxiedEdge();
  TestDevice device = Connect(kLocal);
  ASSERT_TRUE(device.is_connected());
  device.SendConnect("dev-1");
  EXPECT_EQ(device.ReadPacket(), "\x20\x02\0\0"s);
  EXPECT_EQ(hub_.Find("dev-1").open.peer(), "127.0.0.1");
}

TEST_P(EdgeProxyTest, LimitsCountTheDevicesAddress) {
  StartProxiedEdge([](Config& config) {
    config.source_connect_rate = 0.001;
    config.source_connect_burst = 1;
  });
  TestDevice first = Connect(HeaderFor(1));
  first.SendConnect("dev-1");
  EXPECT_EQ(first.ReadPacket(), "\x20\x02\0\0"s);
  TestDevice again = Connect(HeaderFor(1));
  EXPECT_TRUE(!again.is_connected() || again.WaitForClose());
  TestDevice other = Connect(HeaderFor(2));
  other.SendConnect("dev-2");
  EXPECT_EQ(other.ReadPacket(), "\x20\x02\0\0"s);
  EXPECT_EQ(Metric("fleetcast_edge_source_refusals_total"), 1);
  EXPECT_EQ(Metric("fleetcast_edge_disconnects_total{reason=\"source_limit\"}"), 1);
}

TEST_P(EdgeProxyTest, Q23NoHeaderOrAnotherOneIsClosed) {
  StartProxiedEdge();
  for (const std::string& header :
       {""s, "PROXY TCP4 10.1.2.3 127.0.0.1 12345 8883\r\n"s, "\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c"s}) {
    TestDevice raw(edge_->port(GetParam()), ListenerKind::kPlain);
    raw.SendRaw(header + "\x16\x03\x01 GET / \x10\x0c");
    EXPECT_TRUE(raw.WaitForClose());
  }
  EXPECT_EQ(Metric("fleetcast_edge_proxy_header_refusals_total"), 3);
  EXPECT_TRUE(WaitFor([&] { return edge_->open_connections() == 0; }));
}

TEST_P(EdgeProxyTest, Q23ATruncatedHeaderIsClosedInTime) {
  StartProxiedEdge([](Config& config) { config.handshake_timeout = absl::Seconds(1); });
  TestDevice raw(edge_->port(GetParam()), ListenerKind::kPlain);
  raw.SendRaw(HeaderFor(1).substr(0, 20));
  EXPECT_TRUE(raw.WaitForClose());
}

TEST_P(EdgeProxyTest, Q23ASecondHeaderIsClosed) {
  StartProxiedEdge();
  TestDevice raw(edge_->port(GetParam()), ListenerKind::kPlain);
  raw.SendRaw(HeaderFor(1) + HeaderFor(2));
  EXPECT_TRUE(raw.WaitForClose());
}

TEST_P(EdgeProxyTest, Q23AHeaderWhereNoneIsExpectedIsClosed) {
  StartEdge();
  TestDevice raw(edge_->port(GetParam()), ListenerKind::kPlain);
  raw.SendRaw(HeaderFor(1));
  EXPECT_TRUE(raw.WaitForClose());
}

TEST_P(EdgeProxyTest, Q23WhoMayNotSpeakForOthersIsNotHeard) {
  StartProxiedEdge([](Config& config) { config.proxy_protocol_sources = {"10.0.0.0/8"}; });
  TestDevice stranger = Connect(HeaderFor(1));
  EXPECT_TRUE(!stranger.is_connected() || stranger.WaitForClose());
  EXPECT_GE(Metric("fleetcast_edge_proxy_header_refusals_total"), 1);
}

TEST_P(EdgeProxyTest, Q23WhoMaySpeakForOthersIsHeard) {
  StartProxiedEdge([](Config& config) { config.proxy_protocol_sources = {"10.0.0.0/8", "127.0.0.0/8"}; });
  TestDevice device = Connect(HeaderFor(1));
  device.SendConnect("dev-1");
  EXPECT_EQ(device.ReadPacket(), "\x20\x02\0\0"s);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
