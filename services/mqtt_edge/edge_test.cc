// The edge with real sockets, TLS and gRPC, in front of a fake hub.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/http/test_support.h"
#include "libs/mqtt/messages.h"
#include "libs/mqtt/topics.h"
#include "libs/testing/wait_for.h"
#include "services/mqtt_edge/testing/edge_fixture.h"
#include "services/mqtt_edge/testing/test_device.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using fleetcast::testing::WaitFor;
using ::testing::HasSubstr;
using Mode = TestDevice::Mode;

class TransportTest : public EdgeTest, public ::testing::WithParamInterface<Mode> {};

TEST_P(TransportTest, MethodRoundTrip) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1", GetParam());
  hub_.Call("dev-1", 0xabc, "lockDoor", R"({"d":3})");
  const TestDevice::Message request = device.ReadMessage();
  EXPECT_EQ(request.topic, "$iothub/methods/POST/lockDoor/?$rid=abc");
  EXPECT_EQ(request.payload, R"({"d":3})");
  std::string answer;
  mqtt::AppendMethodResponse(200, "abc", R"({"locked":true})", std::nullopt, &answer);
  // The device takes its time, so that SENT is not overtaken.
  ASSERT_TRUE(WaitFor([&] { return hub_.reports().size() == 1; }));
  device.SendBytes(answer);
  ASSERT_TRUE(WaitFor([&] { return hub_.reports().size() == 2; }));
  const std::vector<pb::CallReport> reports = hub_.reports();
  EXPECT_EQ(reports[0].sequence(), 1u);
  EXPECT_EQ(reports[0].sent().session_epoch(), hub_.Find("dev-1").epoch);
  EXPECT_EQ(reports[1].sequence(), 2u);
  EXPECT_EQ(reports[1].call_id(), 0xabcu);
  EXPECT_EQ(reports[1].answer().device_status(), 200);
  EXPECT_EQ(reports[1].answer().payload(), R"({"locked":true})");
}

TEST_P(TransportTest, TwinReadPatchAndDesiredChange) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1", GetParam());
  std::string bytes;
  mqtt::AppendTwinRead("r1", uint16_t{5}, &bytes);
  mqtt::AppendReportedPatch("r2", R"({"fw":"1.1"})", std::nullopt, &bytes);
  device.SendBytes(bytes);
  EXPECT_EQ(device.ReadPacket(), "\x40\x02\0\x05"s);
  EXPECT_EQ(device.ReadMessage().topic, "$iothub/twin/res/200/?$rid=r1");
  EXPECT_EQ(device.ReadMessage().topic, "$iothub/twin/res/204/?$rid=r2&$version=4");
  EXPECT_EQ(hub_.patches()[0].patch(), R"({"fw":"1.1"})");
  pb::AttachResponse message;
  pb::DesiredChange* change = message.add_desired_changes();
  change->set_session(hub_.Find("dev-1").session);
  change->set_epoch(hub_.Find("dev-1").epoch);
  change->set_version(8);
  change->set_patch(R"({"interval":9,"$version":8})");
  hub_.Send(message);
  const TestDevice::Message desired = device.ReadMessage();
  EXPECT_EQ(desired.topic, "$iothub/twin/PATCH/properties/desired/?$version=8");
  EXPECT_EQ(desired.payload, R"({"interval":9,"$version":8})");
}

TEST_P(TransportTest, LargePayloadsBothWays) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1", GetParam());
  const std::string payload = "\"" + std::string(128 * 1024 - 2, 'x') + "\"";
  for (uint64_t id = 1; id <= 8; ++id) hub_.Call("dev-1", id, "big", payload);
  for (uint64_t id = 1; id <= 8; ++id) {
    EXPECT_EQ(device.ReadMessage().payload, payload);
    std::string answer;
    mqtt::AppendMethodResponse(200, mqtt::FormatCallId(id), payload, std::nullopt, &answer);
    device.SendBytes(answer);
  }
  const auto answers = [&] {
    const std::vector<pb::CallReport> reports = hub_.reports();
    return std::count_if(reports.begin(), reports.end(), [](const auto& report) { return report.has_answer(); });
  };
  ASSERT_TRUE(WaitFor([&] { return answers() == 8; }));
  EXPECT_EQ(hub_.reports().back().answer().payload(), payload);
}

TEST_P(TransportTest, RefusedDeviceReadsItsConnack) {
  StartEdge();
  TestDevice device = NewDevice(GetParam());
  device.SendConnect("refused-1");
  EXPECT_EQ(device.ReadPacket(), "\x20\x02\0\x05"s);
  EXPECT_TRUE(device.WaitForClose());
}

TEST_P(TransportTest, GarbageClosesOnlyItsOwnConnection) {
  StartEdge();
  TestDevice good = ConnectDevice("dev-1", GetParam());
  for (const std::string& garbage : {"GET / HTTP/1.1\r\nHost: x\r\n\r\n"s, "\0\0\0\0"s, "\xff\xff\xff\xff\xff"s,
                                     "\x10\xff\xff\xff\xff\x7f"s, "\xc0\0"s, std::string(100'000, 'A')}) {
    TestDevice device = NewDevice(GetParam());
    device.SendBytes(garbage);
    EXPECT_TRUE(device.WaitForClose());
  }
  good.Send(mqtt::Pingreq{});
  EXPECT_EQ(good.ReadPacket(), "\xd0\0"s);
}

TEST_P(TransportTest, ConnectSplitIntoBytesAndPipelinedPackets) {
  StartEdge();
  TestDevice device = NewDevice(GetParam());
  std::string bytes;
  mqtt::Connect connect;
  connect.client_id = "dev-1";
  connect.username = "hub.test.local/dev-1/?api-version=2021-04-12";
  connect.password = "x";
  mqtt::Encode(connect, &bytes);
  for (const char c : bytes) device.SendBytes(std::string(1, c));
  std::string more;
  mqtt::Encode(mqtt::Pingreq{}, &more);
  mqtt::Encode(mqtt::Subscribe{1, {{mqtt::kMethodsFilter, 1}}}, &more);
  device.SendBytes(more);
  EXPECT_EQ(device.ReadPacket(), "\x20\x02\0\0"s);
  EXPECT_EQ(device.ReadPacket(), "\xd0\0"s);
  EXPECT_EQ(device.ReadPacket(), "\x90\x03\0\x01\x01"s);
}

std::string ModeName(const ::testing::TestParamInfo<Mode>& info) {
  constexpr PerListener<const char*> kNames = {"Tls", "Plain", "WebSocketTls", "WebSocketPlain"};
  return kNames[IndexOf(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Modes, TransportTest,
                         ::testing::Values(Mode::kPlain, Mode::kTls, Mode::kWebSocketPlain, Mode::kWebSocketTls),
                         ModeName);

TEST_F(EdgeTest, Q1BytesThatAreNotTlsOnTheTlsPort) {
  StartEdge();
  for (const std::string& garbage : {"GET / HTTP/1.1\r\n\r\n"s, "\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"s,
                                     std::string(5000, '\0'), "\x16\x03\x01\xff\xff"s + std::string(70'000, 'x')}) {
    TestDevice device(edge_->tls_port(), Mode::kPlain);
    device.SendBytes(garbage);
    EXPECT_TRUE(device.WaitForClose());
  }
  TestDevice good = NewDevice(Mode::kTls);
  EXPECT_TRUE(good.is_connected());
  EXPECT_EQ(good.tls_version(), "TLSv1.3");
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_tls_failures_total") >= 4; }));
}

TEST_F(EdgeTest, DTls4ClientCertificateReachesTheHubAsFingerprints) {
  StartEdge();
  TestDevice device(edge_->tls_port(), Mode::kTls, certificate_.certificate_file(), certificate_.key_file());
  ASSERT_TRUE(device.is_connected());
  device.SendConnect("dev-1");
  EXPECT_EQ(device.ReadPacket(), "\x20\x02\0\0"s);
  const pb::OpenSession open = hub_.Find("dev-1").open;
  EXPECT_EQ(open.certificate_sha1().size(), 40u);
  EXPECT_EQ(open.certificate_sha256().size(), 64u);
  EXPECT_GT(open.certificate_valid_until_unix_seconds(), absl::ToUnixSeconds(absl::Now()));
  EXPECT_LE(open.certificate_valid_from_unix_seconds(), absl::ToUnixSeconds(absl::Now()));
  EXPECT_FALSE(open.certificate_is_signed());
  EXPECT_EQ(open.peer(), "127.0.0.1");
  EXPECT_EQ(open.product_info(), "test");
}

TEST_F(EdgeTest, M5AnswerAtQos1IsAcknowledgedWhenItIsTaken) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1");
  hub_.Call("dev-1", 0xabc, "lockDoor", "{}");
  device.ReadMessage();
  device.Send(mqtt::Publish{.qos = 1, .packet_id = 5, .topic = "$iothub/methods/res/200/?$rid=abc", .payload = "{}"});
  ASSERT_TRUE(WaitFor([&] { return !hub_.reports().empty() && hub_.reports().back().has_answer(); }));
  device.Send(mqtt::Pingreq{});
  EXPECT_EQ(device.ReadPacket(), "\xd0\0"s);  // No PUBACK before it.
  hub_.TakeAnswer(hub_.reports().back());
  EXPECT_EQ(device.ReadPacket(), "\x40\x02\0\x05"s);
}

TEST_F(EdgeTest, NewestConnectionWins) {
  StartEdge();
  TestDevice first = ConnectDevice("dev-1");
  TestDevice second = NewDevice(Mode::kPlain);
  second.SendConnect("dev-1");
  EXPECT_EQ(second.ReadPacket(), "\x20\x02\x01\0"s);  // The stored session of the first.
  EXPECT_TRUE(first.WaitForClose());
  hub_.Call("dev-1", 5, "lockDoor", "null");
  EXPECT_EQ(second.ReadMessage().topic, "$iothub/methods/POST/lockDoor/?$rid=5");
}

TEST_F(EdgeTest, ADeviceOfLevel5HearsWhyItsConnectionEnds) {
  StartEdge();
  const auto connect = [this] {
    TestDevice device = NewDevice(Mode::kTls);
    device.SetLevel(mqtt::kLevel5);
    device.SendConnect("dev-5");
    EXPECT_EQ(device.ReadPacket()[0], '\x20');
    return device;
  };
  TestDevice first = connect();
  TestDevice second = connect();
  EXPECT_EQ(first.ReadPacket(), "\xe0\x01\x8e"s);
  EXPECT_TRUE(first.WaitForClose());
  pb::AttachResponse message;
  pb::DisconnectSession* order = message.add_disconnects();
  const FakeHub::Session session = hub_.Find("dev-5");
  order->set_session(session.session);
  order->set_epoch(session.epoch);
  order->set_reason(pb::DisconnectSession::REASON_ADMINISTRATIVE);
  hub_.Send(message);
  EXPECT_EQ(second.ReadPacket(), "\xe0\x01\x98"s);
  EXPECT_TRUE(second.WaitForClose());
}

TEST_F(EdgeTest, LostConnectionIsReportedAtOnce) {
  StartEdge();
  {
    TestDevice device = ConnectDevice("dev-1");
    hub_.Call("dev-1", 9, "lockDoor", "null");
    device.ReadMessage();
    ASSERT_TRUE(WaitFor([&] { return hub_.reports().size() == 1; }));  // SENT
  }
  ASSERT_TRUE(WaitFor([&] { return hub_.reports().size() == 2 && hub_.closed().size() == 1; }));
  EXPECT_EQ(hub_.reports()[1].unknown().reason(), pb::UNKNOWN_REASON_CONNECTION_LOST);
  EXPECT_EQ(hub_.closed()[0].device_id(), "dev-1");
  EXPECT_EQ(hub_.closed()[0].epoch(), hub_.Find("dev-1").epoch);
  hub_.Call("dev-1", 10, "lockDoor", "null");
  ASSERT_TRUE(WaitFor([&] { return hub_.reports().size() == 3; }));
  EXPECT_EQ(hub_.reports()[2].not_sent().reason(), pb::NOT_SENT_REASON_STALE_ROUTE);
}

TEST_F(EdgeTest, ACheckedSessionThatIsNotThereIsClosedAgain) {
  StartEdge();
  TestDevice staying = ConnectDevice("dev-1");
  { const TestDevice leaving = ConnectDevice("dev-2"); }
  ASSERT_TRUE(WaitFor([&] { return hub_.closed().size() == 1; }));
  pb::AttachResponse message;
  for (const std::string device_id : {"dev-1", "dev-2"}) {
    pb::SessionCheck* check = message.add_session_checks();
    check->set_session(hub_.Find(device_id).session);
    check->set_device_id(device_id);
    check->set_epoch(hub_.Find(device_id).epoch);
  }
  hub_.Send(message);
  ASSERT_TRUE(WaitFor([&] { return hub_.closed().size() >= 2; }));
  hub_.Call("dev-1", 1, "lockDoor", "null");  // Comes after the check.
  ASSERT_TRUE(WaitFor([&] { return hub_.reports().size() == 1; }));
  ASSERT_EQ(hub_.closed().size(), 2u);
  EXPECT_EQ(hub_.closed()[1].session(), hub_.Find("dev-2").session);
  EXPECT_EQ(hub_.closed()[1].device_id(), "dev-2");
  EXPECT_EQ(hub_.closed()[1].epoch(), hub_.Find("dev-2").epoch);
}

TEST_F(EdgeTest, SessionOfADeviceThatLeftDuringItsCheckIsClosed) {
  StartEdge();
  {
    TestDevice device = NewDevice(Mode::kPlain);
    device.SendConnect("dev-1");
  }
  ASSERT_TRUE(WaitFor([&] { return hub_.closed().size() == 1; }));
  EXPECT_EQ(hub_.closed()[0].device_id(), "dev-1");
  EXPECT_EQ(hub_.closed()[0].epoch(), hub_.Find("dev-1").epoch);
}

TEST_F(EdgeTest, HubThatWentAwayIsConnack3AndComesBack) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1");
  hub_.SetAcknowledging(false);
  hub_.Call("dev-1", 1, "lockDoor", "null");
  device.ReadMessage();
  ASSERT_TRUE(WaitFor([&] { return hub_.reports().size() == 1; }));
  hub_.GoAway();
  std::string answer;
  mqtt::AppendMethodResponse(201, "1", "{}", uint16_t{3}, &answer);
  device.SendBytes(answer);
  ASSERT_TRUE(WaitFor([&] {
    TestDevice other = NewDevice(Mode::kPlain);
    other.SendConnect("dev-2");
    return other.ReadPacket() == "\x20\x02\0\x03"s;
  }));
  hub_.ComeBack();
  // Sessions are announced, and what was not acknowledged is reported again.
  ASSERT_TRUE(WaitFor([&] { return hub_.reports().size() == 3 && hub_.announced().size() == 1; }));
  EXPECT_EQ(hub_.reports()[1].sequence(), 1u);
  EXPECT_EQ(hub_.reports()[2].sequence(), 2u);
  EXPECT_EQ(hub_.reports()[2].answer().device_status(), 201);
  EXPECT_EQ(hub_.announced()[0].device_id(), "dev-1");
  EXPECT_EQ(hub_.announced()[0].subscriptions(), 7u);
  device.Send(mqtt::Pingreq{});
  EXPECT_EQ(device.ReadPacket(), "\xd0\0"s);  // The answer is not taken: no PUBACK before it.
  hub_.TakeAnswer(hub_.reports()[2]);
  EXPECT_EQ(device.ReadPacket(), "\x40\x02\0\x03"s);
}

TEST_F(EdgeTest, HubCanAskForTheSessionsAgain) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1");
  pb::AttachResponse message;
  message.set_announce_sessions(true);
  hub_.Send(message);
  EXPECT_TRUE(WaitFor([&] { return hub_.announced().size() == 1; }));
}

TEST_F(EdgeTest, ActivityIsNotToldAtEveryHeartbeat) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1");  // Its SUBSCRIBE comes within a minute of the connect, which counts.
  ASSERT_TRUE(WaitFor([&] { return hub_.heartbeats() >= 2; }));
  EXPECT_TRUE(hub_.active_epochs().empty());
}

TEST_F(EdgeTest, HeartbeatsAndActivity) {
  StartEdge([](Config& config) { config.activity_interval = absl::ZeroDuration(); });
  TestDevice device = ConnectDevice("dev-1");
  ASSERT_TRUE(WaitFor([&] { return hub_.heartbeats() >= 1 && !hub_.active_epochs().empty(); }));
  EXPECT_EQ(hub_.active_epochs()[0], hub_.Find("dev-1").epoch);
}

TEST_F(EdgeTest, SlowDeviceGetsItsCallsWhenItReadsAgain) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1");
  const std::string payload = "\"" + std::string(127 * 1024, 'x') + "\"";
  // More than the kernel buffers for a socket: the rest waits in the edge, or is refused as busy.
  for (uint64_t id = 1; id <= 16; ++id) hub_.Call("dev-1", id, "big", payload);
  hub_.Call("dev-1", 17, "late", "null");
  ASSERT_TRUE(WaitFor([&] { return hub_.reports().size() >= 2; }));
  std::atomic<ptrdiff_t> read = 0;
  std::jthread reader([&] {
    while (!device.ReadMessage().topic.empty()) ++read;
  });
  // Every call is either read by the device or reported as not sent.
  EXPECT_TRUE(WaitFor([&] {
    const std::vector<pb::CallReport> reports = hub_.reports();
    const auto refused = std::count_if(reports.begin(), reports.end(), [](const auto& r) { return r.has_not_sent(); });
    return read + refused == 17 && reports.size() == 17;
  }));
  edge_.reset();  // Which is the end for the reader.
}

TEST_F(EdgeTest, ConnectionsBeyondTheLimitWait) {
  StartEdge([](Config& config) {
    config.max_connections = 1;
    config.loops = 1;
  });
  auto first = std::make_unique<TestDevice>(ConnectDevice("dev-1"));
  TestDevice second = NewDevice(Mode::kPlain);  // Stays in the kernel's queue.
  second.SendConnect("dev-2");
  ASSERT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_accept_pauses_total") >= 1; }));
  EXPECT_EQ(edge_->open_connections(), 1);
  first.reset();
  EXPECT_EQ(second.ReadPacket(), "\x20\x02\0\0"s);
}

TEST_F(EdgeTest, SourceOverItsLimitIsResetBeforeTheHandshake) {
  StartEdge([](Config& config) {
    config.loops = 1;
    config.source_connect_rate = 0.001;
    config.source_connect_burst = 2;
  });
  TestDevice first = ConnectDevice("dev-1");
  TestDevice second = ConnectDevice("dev-2");
  TestDevice third = NewDevice(Mode::kTls);
  EXPECT_FALSE(third.is_connected());
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_source_refusals_total") == 1; }));
}

TEST_F(EdgeTest, ConnectsOverTheRateWaitTheirTurn) {
  StartEdge([](Config& config) {
    config.loops = 1;
    config.connect_rate = 20;
    config.connect_burst = 2;
  });
  std::vector<TestDevice> devices;
  ASSERT_TRUE(WaitFor([&] {  // However slowly they come.
    for (int i = 0; i < 6; ++i) devices.push_back(NewDevice(Mode::kPlain));
    return Metric("fleetcast_edge_accept_pauses_total") >= 1;
  }));
  for (size_t i = 0; i < devices.size(); ++i) devices[i].SendConnect("dev-" + std::to_string(i));
  for (TestDevice& device : devices) EXPECT_EQ(device.ReadPacket(), "\x20\x02\0\0"s);
}

TEST_F(EdgeTest, ManyConnectionsComeAndGo) {
  StartEdge();
  {
    std::vector<TestDevice> devices;
    for (int i = 0; i < 300; ++i) {
      devices.push_back(NewDevice(Mode::kPlain));
      devices.back().SendConnect("dev-" + std::to_string(i));
    }
    for (TestDevice& device : devices) EXPECT_EQ(device.ReadPacket(), "\x20\x02\0\0"s);
    EXPECT_EQ(Metric("fleetcast_edge_sessions"), 300);
  }
  EXPECT_TRUE(WaitFor([&] { return edge_->open_connections() == 0 && hub_.closed().size() == 300; }));
  EXPECT_EQ(Metric("fleetcast_edge_sessions"), 0);
  EXPECT_EQ(Metric("fleetcast_edge_connections"), 0);
}

TEST_F(EdgeTest, MosquittoClientIsServed) {
  StartEdge([](Config& config) { config.bad_filter = "suback80"; });
  std::ostringstream command;
  command << "mosquitto_pub -V 311 -h 127.0.0.1 -p " << edge_->tls_port() << " --cafile "
          << certificate_.certificate_file() << " -i dev-1 -u 'hub.test.local/dev-1/?api-version=2021-04-12'"
          << " -P x -q 1 -t devices/dev-1/messages/events/ -m hello 2>&1";
  if (std::system("command -v mosquitto_pub >/dev/null") != 0) GTEST_SKIP() << "mosquitto_pub is not installed";
  EXPECT_EQ(std::system(command.str().c_str()), 0);
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_dropped_total{kind=\"telemetry\"}") == 1; }));
}

TEST(EdgeCreateTest, BadCertificatesAreRefused) {
  http::TestCertificate one;
  http::TestCertificate other;
  telemetry::Metrics metrics;
  Config config;
  config.tls_listen = "127.0.0.1:0";
  config.edge_id = "e";
  config.device_connection_addresses = {"127.0.0.1:1"};
  for (const auto& [chain, key] :
       std::vector<std::pair<std::string, std::string>>{{one.certificate_file(), other.key_file()},
                                                        {"/nonexistent", one.key_file()},
                                                        {one.key_file(), one.key_file()}}) {
    config.tls_cert_files = {chain};
    config.tls_key_files = {key};
    const auto edge = Edge::Create(config, metrics, SystemClock(), SystemRandom(), {});
    EXPECT_EQ(edge.status().code(), absl::StatusCode::kInvalidArgument) << edge.status();
  }
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
