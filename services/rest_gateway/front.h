// The running HTTPS surface: a gateway and its server, made from settings.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/http/server.h"
#include "libs/telemetry/metrics.h"
#include "services/rest_gateway/config.h"
#include "services/rest_gateway/gateway.h"

namespace fleetcast::rest_gateway {

// Serves from Start to destruction.
class Front {
 public:
  // Loads certificate and policies, binds and serves. INVALID_ARGUMENT for settings that cannot be used, UNAVAILABLE
  // when the address is taken. `backends` and `metrics` outlive the result.
  static absl::StatusOr<std::unique_ptr<Front>> Start(const Config& config, const Backends& backends,
                                                      telemetry::Metrics& metrics);

  // The port that was bound.
  uint16_t port() const { return server_->port(); }

  // Takes certificate and key for new connections from their files again, if these have changed, or on `demand`; it
  // does so itself every --tls-reload-interval. A pair that cannot be used is logged and counted, and the one in use
  // stays.
  void ReloadTls(bool demand);

  // Takes no new requests and waits for those in progress, at most the configured time.
  void Drain() { server_->Drain(drain_timeout_); }

 private:
  Front(const Config& config, GatewayOptions options, const Backends& backends, telemetry::Metrics& metrics);

  absl::Status Listen(const Config& config, telemetry::Metrics& metrics);
  void Measure(telemetry::Metrics& metrics);

  const absl::Duration drain_timeout_;
  const telemetry::CounterFamily tls_reloads_;
  Gateway gateway_;
  std::unique_ptr<http::Server> server_;
  std::vector<telemetry::GaugeReader> gauges_;
  std::jthread tls_watcher_;  // Last: it uses the server.
};

}  // namespace fleetcast::rest_gateway
