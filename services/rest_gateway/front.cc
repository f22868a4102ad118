#include "services/rest_gateway/front.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/telemetry/log.h"
#include "libs/websocket/handshake.h"

namespace fleetcast::rest_gateway {
namespace {

// Splits "127.0.0.1:8443" or "[::1]:8443"; port 0 takes a free one.
absl::Status ParseListen(const std::string& listen, http::ServerOptions& options) {
  const size_t colon = listen.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port > UINT16_MAX) {
    return absl::InvalidArgumentError(absl::StrCat("--https-listen: not an address and port: ", listen));
  }
  options.port = static_cast<uint16_t>(port);
  options.address = listen.substr(0, colon);
  if (options.address.size() > 2 && options.address.front() == '[') {
    options.address = options.address.substr(1, options.address.size() - 2);
  }
  return absl::OkStatus();
}

// MQTT over WebSocket comes to the port of the SDKs, 443, and is for an edge.
void PassWebSocketsOn(const Config& config, http::TunnelOptions& tunnel) {
  if (config.edge_websocket.empty()) return;
  tunnel.accepts = [](const http::Request& request) { return websocket::IsMqttPath(request.segments); };
  tunnel.addresses = config.edge_websocket;
  tunnel.sends_proxy_header = config.edge_websocket_proxy_protocol;
  tunnel.close_over = config.websocket_close_over;
}

}  // namespace

Front::Front(const Config& config, GatewayOptions options, const Backends& backends, telemetry::Metrics& metrics)
    : drain_timeout_(config.http_drain_timeout),
      tls_reloads_(
          metrics.NewCounters("fleetcast_http_tls_reloads_total", "Times the certificate was read again", {"result"})),
      gateway_(std::move(options), backends, metrics, SystemClock()) {}

absl::StatusOr<std::unique_ptr<Front>> Front::Start(const Config& config, const Backends& backends,
                                                    telemetry::Metrics& metrics) {
  FLEETCAST_ASSIGN_OR_RETURN(auth::PolicySet policies, auth::PolicySet::FromJson(config.policies));
  GatewayOptions options = {
      .api_versions = ApiVersions(config.api_versions),
      .policies = std::move(policies),
      .hosts = auth::HostNames(config.host_names),
      .strict_job_rights = config.strict_job_rights,
      .reject_cancel_running = config.cancel_running == kCancelRunningReject,
      .query_profile = config.query_profile == "strict" ? query::Profile::kStrict : query::Profile::kLenient,
      // A secret that all replicas have; a new one only ends listings that are under way.
      .page_token_key = absl::StrCat("page tokens of rest_gateway\n", config.policies)};
  std::unique_ptr<Front> front(new Front(config, std::move(options), backends, metrics));
  FLEETCAST_RETURN_IF_ERROR(front->Listen(config, metrics));
  return front;
}

absl::Status Front::Listen(const Config& config, telemetry::Metrics& metrics) {
  http::ServerOptions options;
  FLEETCAST_RETURN_IF_ERROR(ParseListen(config.https_listen, options));
  options.is_plain = config.plain_http;
  options.tls_certificate_file = config.tls_cert_file;
  options.tls_key_file = config.tls_key_file;
  options.threads = config.io_threads;
  options.limits.connections_max = static_cast<size_t>(config.connections_max);
  PassWebSocketsOn(config, options.tunnel);
  gateway_.Configure(options);
  FLEETCAST_ASSIGN_OR_RETURN(server_, http::Server::Start(std::move(options)));
  Measure(metrics);
  if (!config.plain_http && config.tls_reload_interval > absl::ZeroDuration()) {
    tls_watcher_ = std::jthread([this, interval = config.tls_reload_interval](const std::stop_token& stop) {
      while (SystemClock().Sleep(interval, stop)) ReloadTls(/*demand=*/false);
    });
  }
  FLEETCAST_LOG(kInfo, "serving",
                {{"address", config.https_listen}, {"port", int{server_->port()}}, {"tls", !config.plain_http}});
  return absl::OkStatus();
}

void Front::Measure(telemetry::Metrics& metrics) {
  const auto gauge = [&](const char* name, const char* help, int64_t http::ServerCounts::*count) {
    gauges_.push_back(metrics.ReadGauge(
        name, help, [server = server_.get(), count] { return static_cast<double>(server->counts().*count); }));
  };
  gauge("fleetcast_http_connections", "Open client connections", &http::ServerCounts::connections);
  gauge("fleetcast_http_requests_in_progress", "Requests whose answer is awaited",
        &http::ServerCounts::requests_in_progress);
  gauge("fleetcast_http_refused_connections", "Connections closed for lack of room since the start",
        &http::ServerCounts::refused_connections);
  gauge("fleetcast_http_failed_handshakes", "TLS handshakes that failed since the start",
        &http::ServerCounts::failed_handshakes);
  gauge("fleetcast_http_websockets", "WebSockets that are passed on to an edge now", &http::ServerCounts::tunnels);
  gauge("fleetcast_http_opened_websockets", "WebSockets passed on since the start",
        &http::ServerCounts::opened_tunnels);
  gauge("fleetcast_http_refused_websockets", "WebSockets that no edge took, since the start",
        &http::ServerCounts::refused_tunnels);
  gauges_.push_back(metrics.ReadGauge(
      "fleetcast_http_tls_certificate_expiry_timestamp_seconds", "When the certificate in use expires",
      [server = server_.get()] { return absl::ToDoubleSeconds(server->certificate_expiry() - absl::UnixEpoch()); }));
}

void Front::ReloadTls(bool demand) {
  const std::optional<absl::Status> read = server_->ReloadTls(demand);
  if (!read.has_value()) return;
  tls_reloads_.With({read->ok() ? "taken" : "refused"}).Add();
  if (read->ok()) {
    FLEETCAST_LOG(kInfo, "the certificate was read again", {});
  } else {
    FLEETCAST_LOG(kError, "the certificate cannot be used: the one that was read before stays in use",
                  {{"error", *read}});
  }
}

}  // namespace fleetcast::rest_gateway
