#include "services/mqtt_edge/config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "libs/redis/client.h"
#include "libs/rpc/channel.h"
#include "services/mqtt_edge/connection/session_id.h"
#include "services/mqtt_edge/transport/address_range.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr double kRateMax = 1'000'000;
constexpr double kByteRateMax = 1e10;
constexpr double kPacketBytesMax = 300'000;            // The largest packet passes at once.
constexpr int64_t kBufferBytesMin = int64_t{1} << 20;  // Less would not hold a handful of packets.

bool IsEdgeId(const std::string& id) {
  return !id.empty() && id.size() <= 63 &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos;
}

// What is wrong with the addresses, or an empty text.
std::string AddressMistake(const Config& config) {
  for (size_t i = 0; i < kListenerKinds; ++i) {
    const std::string& address = config.ListenAddress(static_cast<ListenerKind>(i));
    if (address.empty()) continue;
    const absl::Status status = rpc::ValidateAddress(address, true);
    if (!status.ok()) return absl::StrCat("--", Absl(kListenerNames[i]), "-listen: ", status.message());
  }
  for (const std::string& address : config.device_connection_addresses) {
    const absl::Status status = rpc::ValidateAddress(address);
    if (!status.ok()) return "--device-connection-addresses: " + std::string(status.message());
  }
  return "";
}

// What is wrong with the telemetry sink, or an empty text. Repeats nothing of an address: somebody may have written a
// password into it.
std::string TelemetryMistake(const Config& config) {
  const std::string& address = config.telemetry_redis;
  if (address.empty()) return "";
  const bool is_url = address.find_first_of("@/") != std::string::npos && !address.starts_with("unix:");
  if (is_url || !redis::Client::Create({.address = address}, SystemClock()).ok()) {
    return "--telemetry-redis must be host:port or unix:/path; a password goes into --telemetry-redis-password-file";
  }
  if (!config.telemetry_redis_user.empty() && config.telemetry_redis_password.empty()) {
    return "--telemetry-redis-user needs --telemetry-redis-password-file";
  }
  return "";
}

}  // namespace

const std::string& Config::ListenAddress(ListenerKind kind) const {
  switch (kind) {
    case ListenerKind::kTls: return tls_listen;
    case ListenerKind::kPlain: return plain_listen;
    case ListenerKind::kWebSocketTls: return ws_listen;
    case ListenerKind::kWebSocketPlain: break;
  }
  return ws_plain_listen;
}

bool Config::HasProxyProtocol(ListenerKind kind) const {
  return std::find(proxy_protocol.begin(), proxy_protocol.end(), kListenerNames[IndexOf(kind)]) != proxy_protocol.end();
}

void Config::Declare(config::Settings& settings) {
  settings.Text("tls-listen", &tls_listen, {}, "MQTT over TLS, host:port; empty = off");
  settings.List("tls-cert-file", &tls_cert_files, {.required = false, .count_max = 2},
                "Certificate chain, PEM; one for RSA and one for ECDSA if wanted");
  settings.List("tls-key-file", &tls_key_files, {.required = false, .count_max = 2}, "Keys, PEM, in the same order");
  settings.File(
      "tls-ticket-key-file", &tls_ticket_key_file, {},
      "Keys of session tickets, the same for all edges: base64 of 32 bytes a line, the first seals; empty = a "
      "random one");
  settings.Flag("tls-allow-cbc", &tls_allow_cbc, "TLS 1.2 also with ECDHE suites of CBC and SHA-2, for old devices");
  settings.Time("tls-reload-interval", &tls_reload_interval, {.max = absl::Hours(1)},
                "How often to look whether certificates or ticket keys have changed; 0 = only on SIGHUP");
  settings.Time("handshake-timeout", &handshake_timeout, {.min = absl::Seconds(1), .max = absl::Minutes(1)},
                "For a TLS handshake, and for the PROXY header before it");
  settings.File("client-ca-file", &client_ca_file, {},
                "Certificate authorities of devices of type certificateAuthority, PEM; read again when it changes");
  settings.Text("plain-listen", &plain_listen, {}, "MQTT without TLS, host:port; for development only; empty = off");
  settings.Text("ws-listen", &ws_listen, {}, "MQTT over WebSocket over TLS, host:port; empty = off");
  settings.Text(
      "ws-plain-listen", &ws_plain_listen, {},
      "MQTT over WebSocket without TLS, host:port; for rest_gateway in front of it, or development; empty = off");
  settings.List(
      "proxy-protocol", &proxy_protocol, {},
      "Listeners whose connections begin with a PROXY header (version 2): tls, plain, ws, ws-plain. For those that "
      "only a load balancer reaches");
  settings.List("proxy-protocol-sources", &proxy_protocol_sources, {},
                "Who may connect to those listeners: addresses or ranges such as 10.0.0.0/8; empty = anybody");
  settings.Text("edge-id", &edge_id, {.required = true, .bytes_max = 63},
                "Name of this edge, stable over restarts: [a-z0-9.-]");
  settings.List("device-connection-addresses", &device_connection_addresses, {.required = true},
                "Every replica of device_connection, host:port");
  settings.Number("loops", &loops, {.min = 0, .max = kLoopsMax}, "Event loops, a thread each; 0 = one per core");
  settings.Text("bad-filter", &bad_filter, {.one_of = {"close", "suback80"}},
                "Answer to a SUBSCRIBE outside of the vocabulary: close the connection (as IoT Hub), or SUBACK 0x80");
  DeclareLimits(settings);
  settings.Time(
      "call-drain", &call_drain, {.min = absl::ZeroDuration(), .max = absl::Minutes(5)},
      "On shutdown: how long a connection whose turn has come stays for method calls that are under way on it");
  settings.Time("activity-interval", &activity_interval, {.min = absl::ZeroDuration(), .max = absl::Hours(1)},
                "How often at most the last activity of a device is told; each time costs a row of the database");
  settings.Time("token-grace", &token_grace, {.min = absl::ZeroDuration(), .max = absl::Hours(24)},
                "How long a connection outlives its SAS token, give or take 10 %; then it is closed, and the device "
                "connects with a new one");
  settings.Time("close-over", &close_over, {.min = absl::ZeroDuration(), .max = absl::Minutes(10)},
                "On shutdown: over how long the connections are closed, evenly and in random order; few go faster");
  settings.Text("telemetry-redis", &telemetry_redis, {},
                "Redis that takes telemetry, host:port or unix:/path; empty = it is acknowledged and dropped");
  settings.Text("telemetry-redis-user", &telemetry_redis_user, {.bytes_max = 128},
                "User of that Redis; empty = its default user");
  settings.SecretFile("telemetry-redis-password-file", &telemetry_redis_password, {}, "File with its password");
  settings.Text("telemetry-stream", &telemetry_stream, {.required = true, .bytes_max = 512},
                "Key of the stream that gets an entry for each message");
  settings.Number("telemetry-stream-entries-max", &telemetry_stream_entries_max, {.min = 0, .max = 1'000'000'000},
                  "About how many entries the stream keeps, read or not: the oldest go first; 0 = all");
  settings.Number("telemetry-queue-bytes", &telemetry_queue_bytes, {.min = 1 << 20, .max = int64_t{16} << 30},
                  "Memory of telemetry that waits for Redis, more or less; then those who send it are not read from");
  settings.Rule([this] { return AddressMistake(*this); });
  settings.Rule([this] { return TelemetryMistake(*this); });
  settings.Rule([this]() -> std::string {
    for (const std::string& range : proxy_protocol_sources) {
      if (!AddressRange::Parse(range)) return "--proxy-protocol-sources: not an address or range: " + range;
    }
    return "";
  });
  settings.Rule([this]() -> std::string {
    for (const std::string& name : proxy_protocol) {
      if (std::find(kListenerNames.begin(), kListenerNames.end(), name) != kListenerNames.end()) continue;
      return absl::StrCat("--proxy-protocol: no such listener: ", name, "; there are tls, plain, ws and ws-plain");
    }
    return "";
  });
  settings.Rule([this]() -> std::string {
    if (!edge_id.empty() && !IsEdgeId(edge_id)) return "--edge-id must be 1 to 63 characters of [a-z0-9.-]";
    if (!has_tls() && plain_listen.empty() && ws_plain_listen.empty()) {
      return "one of --tls-listen, --ws-listen, --plain-listen and --ws-plain-listen is needed";
    }
    if (tls_cert_files.size() != tls_key_files.size()) return "--tls-cert-file and --tls-key-file must come in pairs";
    if (has_tls() && tls_cert_files.empty()) {
      return "--tls-cert-file and --tls-key-file are needed for --tls-listen and --ws-listen; set --tls-listen= to go "
             "without TLS";
    }
    return "";
  });
}

void Config::DeclareLimits(config::Settings& settings) {
  settings.Number("max-connections", &max_connections, {.min = 1, .max = 16'000'000}, "Sockets open at once");
  settings.Fraction("connect-rate", &connect_rate, 0, kRateMax, "New connections a second; 0 = no limit");
  settings.Fraction("connect-burst", &connect_burst, 1, kRateMax, "New connections at once");
  settings.Fraction("source-connect-rate", &source_connect_rate, 0, kRateMax,
                    "New connections a second from one address; 0 = no limit");
  settings.Fraction("source-connect-burst", &source_connect_burst, 1, kRateMax,
                    "New connections at once from one address");
  settings.Fraction("admission-rate", &admission_rate, 0, kRateMax,
                    "CONNECTs a second that are let in; others wait for their turn; 0 = no limit");
  settings.Fraction("admission-burst", &admission_burst, 1, kRateMax, "CONNECTs at once that are let in");
  settings.Time("admission-wait", &admission_wait, {.max = absl::Seconds(20)},
                "How long a CONNECT waits for its turn at most; one that would wait longer hears CONNACK 3");
  settings.Number("source-refusals-per-minute", &source_refusals_per_minute, {.min = 0, .max = 1'000'000},
                  "Failed authentications a minute from one address that are told at once; the others 5 to 15 s "
                  "later; 0 = all at once");
  settings.Fraction("device-message-rate", &device_message_rate, 0, kRateMax,
                    "Packets a second of one device, but answers to calls; more are read later; 0 = no limit");
  settings.Fraction("device-message-burst", &device_message_burst, 1, kRateMax, "Packets at once of one device");
  settings.Fraction("device-byte-rate", &device_byte_rate, 0, kByteRateMax,
                    "Bytes a second of one device; more are read later; 0 = no limit");
  settings.Fraction("device-byte-burst", &device_byte_burst, kPacketBytesMax, kByteRateMax,
                    "Bytes at once of one device");
  settings.Fraction("device-twin-rate", &device_twin_rate, 0, kRateMax,
                    "Twin requests a second of one device; others wait for their turn, 10 s at most, or are answered "
                    "429; 0 = no limit");
  settings.Fraction("device-twin-burst", &device_twin_burst, 1, kRateMax, "Twin requests at once of one device");
  settings.Number("device-subscribes-per-minute", &device_subscribes_per_minute, {.min = 0, .max = 1'000'000},
                  "SUBSCRIBEs and UNSUBSCRIBEs a minute of one connection; one more ends it; 0 = no limit");
  settings.Number("buffer-bytes-max", &buffer_bytes_max, {.min = 0, .max = int64_t{1} << 40},
                  "Bytes that wait in the buffers of all connections: from 80 % on nothing is accepted, from 95 % on "
                  "connections that hold most are closed; 0 = no limit");
  settings.Rule([this]() -> std::string {
    if (buffer_bytes_max == 0 || buffer_bytes_max >= kBufferBytesMin) return "";
    return absl::StrCat("--buffer-bytes-max must be 0 or at least ", kBufferBytesMin);
  });
}

}  // namespace fleetcast::mqtt_edge
