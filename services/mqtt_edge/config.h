// Settings of the process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/config/config.h"
#include "services/mqtt_edge/transport/listener_kind.h"

namespace fleetcast::mqtt_edge {

struct Config {
  std::string tls_listen = "0.0.0.0:8883";
  std::vector<std::string> tls_cert_files;
  std::vector<std::string> tls_key_files;
  std::string tls_ticket_key_file;
  bool tls_allow_cbc = false;
  absl::Duration tls_reload_interval = absl::Seconds(10);
  absl::Duration handshake_timeout = absl::Seconds(20);
  std::string client_ca_file;  // Empty: no device connects with a certificate that an authority has signed.
  std::string plain_listen;
  std::string ws_listen;
  std::string ws_plain_listen;
  std::vector<std::string> proxy_protocol;
  std::vector<std::string> proxy_protocol_sources;
  std::string edge_id;
  std::vector<std::string> device_connection_addresses;
  int loops = 0;
  std::string bad_filter = "close";
  int64_t max_connections = 1'000'000;
  double connect_rate = 5'000;
  double connect_burst = 10'000;
  double source_connect_rate = 2'000;
  double source_connect_burst = 10'000;
  double admission_rate = 500;
  double admission_burst = 1'000;
  absl::Duration admission_wait = absl::Seconds(5);
  int source_refusals_per_minute = 60;
  double device_message_rate = 100;
  double device_message_burst = 200;
  double device_byte_rate = 1 << 20;
  double device_byte_burst = 2 << 20;
  double device_twin_rate = 10;
  double device_twin_burst = 10;
  int device_subscribes_per_minute = 20;
  int64_t buffer_bytes_max = int64_t{256} << 20;
  absl::Duration call_drain = absl::Seconds(30);
  absl::Duration close_over = absl::Seconds(60);
  absl::Duration activity_interval = absl::Minutes(1);
  absl::Duration token_grace = absl::Minutes(10);
  std::string telemetry_redis;  // host:port or unix:/path; empty: telemetry is acknowledged and dropped.
  std::string telemetry_redis_user;
  std::string telemetry_redis_password;  // A secret; empty = none.
  std::string telemetry_stream = "fleetcast:telemetry";
  int64_t telemetry_stream_entries_max = 1'000'000;
  int64_t telemetry_queue_bytes = 64 << 20;

  void Declare(config::Settings& settings);

  // Those of overload protection; a part of Declare.
  void DeclareLimits(config::Settings& settings);

  // Where a kind of listener listens, host:port; empty = not at all.
  const std::string& ListenAddress(ListenerKind kind) const;
  // Whether connections to a kind of listener begin with a PROXY header.
  bool HasProxyProtocol(ListenerKind kind) const;
  bool has_tls() const { return !tls_listen.empty() || !ws_listen.empty(); }
};

}  // namespace fleetcast::mqtt_edge
