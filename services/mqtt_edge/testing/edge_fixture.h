// For tests: an edge with real sockets, TLS and gRPC, in front of a fake hub.
#pragma once

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/http/test_support.h"
#include "libs/mqtt/topics.h"
#include "libs/testing/wait_for.h"
#include "services/mqtt_edge/edge.h"
#include "services/mqtt_edge/testing/fake_hub.h"
#include "services/mqtt_edge/testing/test_device.h"

namespace fleetcast::mqtt_edge {

class EdgeTest : public ::testing::Test {
 protected:
  using Mode = TestDevice::Mode;

  void StartEdge(const std::function<void(Config&)>& change = [](Config&) {}) {
    Config config;
    config.tls_listen = "127.0.0.1:0";
    config.tls_cert_files = {certificate_.certificate_file()};
    config.tls_key_files = {certificate_.key_file()};
    config.plain_listen = "127.0.0.1:0";
    config.ws_listen = "127.0.0.1:0";
    config.ws_plain_listen = "127.0.0.1:0";
    config.edge_id = "edge-1";
    config.device_connection_addresses = {hub_.address()};
    config.loops = 2;
    change(config);
    attached_ = false;
    auto edge = Edge::Create(config, metrics_, SystemClock(), SystemRandom(),
                             {.set_ready =
                                  [this](bool ready) {
                                    is_ready_ = ready;
                                    attached_ = attached_ || ready;
                                  },
                              .drain_delay = drain_delay_});
    ASSERT_TRUE(edge.ok()) << edge.status();
    edge_ = *std::move(edge);
    edge_->Start();
    ASSERT_TRUE(fleetcast::testing::WaitFor([&] { return attached_.load(); }));
  }

  TestDevice NewDevice(Mode mode) { return TestDevice(edge_->port(mode), mode); }

  // A connected device that listens to methods, twin responses and desired changes.
  TestDevice ConnectDevice(const std::string& device_id, Mode mode = Mode::kPlain) {
    TestDevice device = NewDevice(mode);
    EXPECT_TRUE(device.SendConnect(device_id));
    EXPECT_THAT(device.ReadPacket(), ::testing::HasSubstr("\x20\x02"));
    device.Send(
        mqtt::Subscribe{1, {{mqtt::kMethodsFilter, 0}, {mqtt::kTwinResponsesFilter, 0}, {mqtt::kDesiredFilter, 0}}});
    EXPECT_EQ(device.ReadPacket(), std::string("\x90\x05\0\x01\0\0\0", 7));
    return device;
  }

  double Metric(const std::string& line_start) {
    const std::string text = metrics_.Text();
    const size_t at = text.find("\n" + line_start + " ");
    return at == std::string::npos ? -1 : std::atof(text.c_str() + at + line_start.size() + 2);
  }

  telemetry::Metrics metrics_;
  http::TestCertificate certificate_;
  FakeHub hub_;
  std::atomic<bool> attached_ = false;
  absl::Duration drain_delay_ = absl::ZeroDuration();
  std::atomic<bool> is_ready_ = false;  // What health checks would say.
  std::unique_ptr<Edge> edge_;
};

}  // namespace fleetcast::mqtt_edge
