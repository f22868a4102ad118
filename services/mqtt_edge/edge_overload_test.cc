// More than there is room for, with real sockets: whoever asks for too much waits, and nobody else does.
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/mqtt/messages.h"
#include "services/mqtt_edge/testing/edge_fixture.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using fleetcast::testing::WaitFor;

const std::string kAccepted = "\x20\x02\0\0"s;
const std::string kUnavailable = "\x20\x02\0\x03"s;
const std::string kNotAuthorized = "\x20\x02\0\x05"s;
const std::string kPingresp = "\xd0\0"s;

class EdgeOverloadTest : public EdgeTest {
 protected:
  // One loop, so that no limit is shared out.
  void StartSmallEdge(const std::function<void(Config&)>& change) {
    StartEdge([&](Config& config) {
      config.loops = 1;
      change(config);
    });
  }

  double Limited(const std::string& limit) { return Metric("fleetcast_edge_limits_total{limit=\"" + limit + "\"}"); }

  // The next packet of a device that is kept waiting.
  static std::string ReadLate(TestDevice& device) {
    std::string packet;
    for (int i = 0; i < 6 && packet.empty(); ++i) packet = device.ReadPacket();
    return packet;
  }
};

class EdgeAdmissionTest : public EdgeOverloadTest, public ::testing::WithParamInterface<ListenerKind> {};

INSTANTIATE_TEST_SUITE_P(Modes, EdgeAdmissionTest,
                         ::testing::Values(ListenerKind::kPlain, ListenerKind::kTls, ListenerKind::kWebSocketPlain,
                                           ListenerKind::kWebSocketTls));

TEST_P(EdgeAdmissionTest, ConnectsOverTheRateWaitForTheirTurn) {
  StartSmallEdge([](Config& config) {
    config.admission_rate = 2;
    config.admission_burst = 1;
  });
  std::vector<TestDevice> devices;
  for (int i = 0; i < 4; ++i) devices.push_back(NewDevice(GetParam()));
  for (size_t i = 0; i < devices.size(); ++i) devices[i].SendConnect("dev-" + std::to_string(i));  // All at once.
  for (TestDevice& device : devices) EXPECT_EQ(device.ReadPacket(), kAccepted);
  EXPECT_GE(Limited("connects_held"), 1);
  EXPECT_EQ(Limited("connects_refused"), 0);
}

class EdgeBusyTest : public EdgeOverloadTest, public ::testing::WithParamInterface<ListenerKind> {
 protected:
  // The first of two connections is let in, and nobody after it.
  void StartBusyEdge() {
    StartSmallEdge([](Config& config) {
      config.admission_rate = 0.001;
      config.admission_burst = 1;
      config.admission_wait = absl::Milliseconds(100);
    });
    devices_.push_back(NewDevice(GetParam()));
    devices_.push_back(NewDevice(GetParam()));
    ASSERT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_accepts_total") == 2; }));
    devices_[0].SendConnect("dev-0");
    EXPECT_EQ(devices_[0].ReadPacket(), kAccepted);
  }

  std::vector<TestDevice> devices_;
};

INSTANTIATE_TEST_SUITE_P(Modes, EdgeBusyTest, ::testing::Values(ListenerKind::kPlain, ListenerKind::kTls));

TEST_P(EdgeBusyTest, WhoWouldWaitTooLongHearsThatTheEdgeIsBusy) {
  StartBusyEdge();
  devices_[1].SendConnect("dev-1");
  EXPECT_EQ(devices_[1].ReadPacket(), kUnavailable);
  EXPECT_TRUE(devices_[1].WaitForClose());
  EXPECT_EQ(Limited("connects_refused"), 1);
  EXPECT_EQ(hub_.Find("dev-1").session, 0u);
  devices_[0].Send(mqtt::Pingreq{});
  EXPECT_EQ(devices_[0].ReadPacket(), kPingresp);
}

TEST_P(EdgeBusyTest, ADeviceOfLevel5HearsTheReason) {
  StartBusyEdge();
  devices_[1].SetLevel(mqtt::kLevel5);
  devices_[1].SendConnect("dev-1");
  EXPECT_EQ(devices_[1].ReadPacket(), "\x20\x03\0\x89\0"s);
}

TEST_P(EdgeBusyTest, MoreStayInTheKernel) {
  StartBusyEdge();
  const TestDevice third(edge_->port(GetParam()), ListenerKind::kPlain);
  EXPECT_TRUE(third.is_connected());
  ASSERT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_accept_pauses_total") >= 1; }));
  EXPECT_EQ(Metric("fleetcast_edge_accepts_total"), 2);
}

TEST_F(EdgeOverloadTest, WhoLeavesWhileItWaitsIsForgotten) {
  StartSmallEdge([](Config& config) {
    config.admission_rate = 0.05;
    config.admission_burst = 1;
    config.admission_wait = absl::Seconds(20);
  });
  TestDevice first = NewDevice(Mode::kPlain);
  {
    TestDevice second = NewDevice(Mode::kPlain);
    ASSERT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_accepts_total") == 2; }));
    first.SendConnect("dev-0");
    EXPECT_EQ(first.ReadPacket(), kAccepted);
    second.SendConnect("dev-1");
    ASSERT_TRUE(WaitFor([&] { return Limited("connects_held") == 1; }));
  }
  EXPECT_TRUE(WaitFor([&] { return edge_->open_connections() == 1; }));
  EXPECT_EQ(hub_.Find("dev-1").session, 0u);
}

TEST_F(EdgeOverloadTest, DCa2ARefusalIsToldWhenTheHubSays) {
  StartEdge();
  TestDevice device = NewDevice(Mode::kTls);
  const absl::Duration before = SystemClock().Monotonic();
  device.SendConnect("refused-late");
  EXPECT_EQ(ReadLate(device), kNotAuthorized);
  EXPECT_GE(SystemClock().Monotonic() - before, absl::Seconds(1));
  EXPECT_EQ(Limited("refusals_held"), 1);
  EXPECT_TRUE(device.WaitForClose());
}

TEST_F(EdgeOverloadTest, FailuresOfOneAddressAreToldLaterOthersAreNot) {
  StartSmallEdge([](Config& config) {
    config.source_refusals_per_minute = 1;
    config.proxy_protocol = {"plain"};
  });
  const auto connect = [this](char last, const std::string& device_id) {
    TestDevice device(edge_->plain_port(), Mode::kPlain, "", "",
                      "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x01\x02"s + last + "\x7f\0\0\x01\x30\x39\x22\xb3"s);
    device.SendConnect(device_id);
    return device;
  };
  EXPECT_EQ(connect(1, "refused-1").ReadPacket(), kNotAuthorized);
  const absl::Duration before = SystemClock().Monotonic();
  TestDevice second = connect(1, "refused-2");
  ASSERT_TRUE(WaitFor([&] { return Limited("source_refusals") == 1; }));
  // Behind the same address, with the right credentials; and a failure of another address.
  EXPECT_EQ(connect(1, "dev-1").ReadPacket(), kAccepted);
  EXPECT_EQ(connect(2, "refused-3").ReadPacket(), kNotAuthorized);
  EXPECT_EQ(ReadLate(second), kNotAuthorized);
  EXPECT_GE(SystemClock().Monotonic() - before, absl::Seconds(5));
}

TEST_F(EdgeOverloadTest, Q19AFloodOfMessagesIsReadAtItsRate) {
  StartEdge([](Config& config) {
    config.device_message_rate = 20;
    config.device_message_burst = 10;
  });
  TestDevice device = ConnectDevice("dev-1");
  std::string bytes;
  for (int i = 0; i < 30; ++i) mqtt::Encode(mqtt::Pingreq{}, &bytes);
  device.SendBytes(bytes);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(device.ReadPacket(), kPingresp);
  EXPECT_GE(Limited("messages"), 1);
}

TEST_F(EdgeOverloadTest, WhatAFloodLeftBehindIsReadAfterItsDeviceHasGone) {
  StartEdge([](Config& config) {
    config.device_message_rate = 20;
    config.device_message_burst = 10;
  });
  {
    TestDevice device = ConnectDevice("dev-1");
    for (int i = 0; i < 40; ++i) device.Send(mqtt::Publish{.topic = "devices/dev-1/messages/events/", .payload = "x"});
    device.Send(mqtt::Disconnect{});
  }
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_disconnects_total{reason=\"disconnect\"}") == 1; }));
  EXPECT_EQ(Metric("fleetcast_edge_dropped_total{kind=\"telemetry\"}"), 40);
}

TEST_F(EdgeOverloadTest, BytesAreReadAtTheirRate) {
  StartEdge([](Config& config) {
    config.device_byte_rate = 100'000;
    config.device_byte_burst = 50'000;
  });
  TestDevice device = ConnectDevice("dev-1", Mode::kTls);
  const std::string payload(60'000, 'x');
  for (uint16_t id = 1; id <= 3; ++id) {
    device.Send(
        mqtt::Publish{.qos = 1, .packet_id = id, .topic = "devices/dev-1/messages/events/", .payload = payload});
  }
  for (char id = 1; id <= 3; ++id) EXPECT_EQ(device.ReadPacket(), "\x40\x02\0"s + id);
  EXPECT_GE(Limited("bytes"), 1);
}

TEST_F(EdgeOverloadTest, TwinRequestsWaitForTheirTurn) {
  StartEdge([](Config& config) {
    config.device_twin_rate = 2;
    config.device_twin_burst = 1;
  });
  TestDevice device = ConnectDevice("dev-1");
  std::string bytes;
  for (const char* id : {"1", "2", "3"}) mqtt::AppendTwinRead(id, std::nullopt, &bytes);
  device.SendBytes(bytes);
  for (const std::string id : {"1", "2", "3"}) {
    EXPECT_EQ(device.ReadMessage().topic, "$iothub/twin/res/200/?$rid=" + id);
  }
  EXPECT_EQ(Limited("twin_shaped"), 2);
}

TEST_F(EdgeOverloadTest, TwinRequestsThatWouldWaitTooLongAreAnswered429) {
  StartEdge([](Config& config) {
    config.device_twin_rate = 0.01;
    config.device_twin_burst = 1;
  });
  TestDevice device = ConnectDevice("dev-1");
  std::string bytes;
  mqtt::AppendTwinRead("1", std::nullopt, &bytes);
  mqtt::AppendReportedPatch("2", "{}", std::nullopt, &bytes);
  device.SendBytes(bytes);
  std::vector<std::string> topics = {device.ReadMessage().topic, device.ReadMessage().topic};
  EXPECT_THAT(topics, ::testing::UnorderedElementsAre("$iothub/twin/res/200/?$rid=1", "$iothub/twin/res/429/?$rid=2"));
  EXPECT_TRUE(hub_.patches().empty());
  EXPECT_EQ(Limited("twin_refused"), 1);
}

TEST_F(EdgeOverloadTest, TooManySubscribesEndTheConnection) {
  StartEdge([](Config& config) { config.device_subscribes_per_minute = 2; });
  TestDevice device = ConnectDevice("dev-1");  // One.
  for (uint16_t id = 2; id <= 3; ++id) device.Send(mqtt::Subscribe{id, {{mqtt::kMethodsFilter, 0}}});
  EXPECT_TRUE(device.WaitForClose());
  EXPECT_EQ(Metric("fleetcast_edge_disconnects_total{reason=\"rate_limit\"}"), 1);
  EXPECT_EQ(Limited("subscribes"), 1);
}

// Strangers who send most of a packet and stop: their memory comes back, and who is connected notices nothing.
TEST_F(EdgeOverloadTest, BytesInBuffersHaveAnEnd) {
  StartSmallEdge([](Config& config) { config.buffer_bytes_max = 200'000; });
  TestDevice good = ConnectDevice("dev-1");
  const std::string most = "\x10\xc0\x9a\x0c\0\x04MQTT\x04\xc0\0\x3c"s + std::string(65'000, 'x');  // Of 200,000 bytes.
  std::vector<TestDevice> strangers;
  for (int i = 0; i < 3; ++i) {
    strangers.push_back(NewDevice(Mode::kPlain));
    strangers.back().SendBytes(most);
  }
  ASSERT_TRUE(WaitFor([&] { return Limited("buffers_shed") >= 1; }));
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_buffered_bytes") < 160'000; }));
  EXPECT_GE(Metric("fleetcast_edge_disconnects_total{reason=\"buffer_budget\"}"), 1);
  good.Send(mqtt::Pingreq{});
  EXPECT_EQ(good.ReadPacket(), kPingresp);
  TestDevice next = NewDevice(Mode::kPlain);
  next.SendConnect("dev-2");
  EXPECT_EQ(next.ReadPacket(), kAccepted);
}

TEST_F(EdgeOverloadTest, WhatIsBufferedIsCountedAndGivenBack) {
  StartEdge();
  {
    TestDevice device = ConnectDevice("dev-1");
    device.SendBytes("\x30\xff\x7f"s + std::string(1'000, 'x'));
    EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_buffered_bytes") == 1'003; }));
  }
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_buffered_bytes") == 0; }));
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
