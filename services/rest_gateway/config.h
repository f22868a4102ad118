// Settings of rest_gateway.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/config/config.h"
#include "services/rest_gateway/dialect.h"

namespace fleetcast::rest_gateway {

// What the cancel of a running job does: stop it (what was sent may still be answered), or answer 405 as IoT Hub does.
inline constexpr std::string_view kCancelRunningDrain = "drain";
inline constexpr std::string_view kCancelRunningReject = "reject";

// The initial values are the defaults.
struct Config {
  std::string https_listen = "0.0.0.0:8443";
  bool plain_http = false;
  std::string tls_cert_file;
  std::string tls_key_file;
  absl::Duration tls_reload_interval = absl::Seconds(10);
  std::string policies;  // Content of the policy file.
  std::vector<std::string> host_names;
  std::vector<std::string> job_api_addresses;
  std::vector<std::string> twin_addresses;
  std::vector<std::string> method_addresses;
  std::vector<std::string> edge_websocket;
  bool edge_websocket_proxy_protocol = false;
  absl::Duration websocket_close_over = absl::Seconds(10);
  std::vector<std::string> api_versions = DefaultApiVersions();
  bool strict_job_rights = false;
  std::string cancel_running = std::string(kCancelRunningDrain);
  std::string query_profile = "lenient";  // Or "strict".
  int64_t connections_max = 10'000;
  int io_threads = 2;
  absl::Duration http_drain_timeout = absl::Seconds(20);

  void Declare(config::Settings& settings);
};

}  // namespace fleetcast::rest_gateway
