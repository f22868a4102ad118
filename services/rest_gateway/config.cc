#include "services/rest_gateway/config.h"

#include "libs/auth/policies.h"
#include "libs/rpc/channel.h"

namespace fleetcast::rest_gateway {

void Config::Declare(config::Settings& settings) {
  settings.Text("https-listen", &https_listen, {.required = true}, "IP address and port of the public HTTPS surface");
  settings.Flag("plain-http", &plain_http, "Serve HTTP without TLS, for tests and behind a proxy on the same machine");
  settings.File("tls-cert-file", &tls_cert_file, {}, "Certificate chain, PEM, leaf first");
  settings.File("tls-key-file", &tls_key_file, {}, "Private key of the certificate, PEM");
  settings.Time("tls-reload-interval", &tls_reload_interval, {.max = absl::Hours(1)},
                "How often to look whether certificate or key have changed; 0 = only on SIGHUP");
  settings.SecretFile("policy-file", &policies, {.required = true}, "Shared access policies, JSON");
  settings.List("host-names", &host_names, {.required = true}, "Names that clients use for this hub");
  settings.List("job-api-addresses", &job_api_addresses, {.required = true}, "Addresses of job_api, host:port");
  settings.List("twin-addresses", &twin_addresses, {.required = true}, "Addresses of twin, host:port");
  settings.List("method-addresses", &method_addresses, {.required = true}, "Addresses of method_dispatch, host:port");
  settings.List("edge-websocket", &edge_websocket, {},
                "Where MQTT over WebSocket is passed on to, host:port of --ws-plain-listen of mqtt_edge; empty = 404");
  settings.Flag("edge-websocket-proxy-protocol", &edge_websocket_proxy_protocol,
                "Tell the edge the address of the device by PROXY protocol; needs --proxy-protocol=ws-plain there");
  settings.Time("websocket-close-over", &websocket_close_over, {.max = absl::Minutes(10)},
                "On shutdown: over how long WebSockets that are passed on are closed");
  settings.List("api-versions", &api_versions, {.required = true}, "Values of api-version that are served");
  settings.Flag("strict-job-rights", &strict_job_rights, "Demand registryRead or registryWrite for jobs, too");
  settings.Text("cancel-running", &cancel_running,
                {.one_of = {std::string(kCancelRunningDrain), std::string(kCancelRunningReject)}},
                "Cancel of a running job: drain stops it, reject answers 405 as IoT Hub does");
  settings.Text("query-profile", &query_profile, {.one_of = {"lenient", "strict"}},
                "strict: queries have only what IoT Hub itself executes; give twin the same");
  settings.Number("max-connections", &connections_max, {.min = 1, .max = 1'000'000}, "Open client connections");
  settings.Number("io-threads", &io_threads, {.min = 1, .max = 64}, "Threads that read and write client connections");
  settings.Time("http-drain-timeout", &http_drain_timeout, {.max = absl::Minutes(6)},
                "How long requests in progress may take when the process stops");
  settings.Rule([this]() -> std::string {
    if (plain_http || (!tls_cert_file.empty() && !tls_key_file.empty())) return "";
    return "--tls-cert-file and --tls-key-file are needed unless --plain-http is given";
  });
  settings.Rule([this]() -> std::string {
    for (const std::string& address : edge_websocket) {
      const absl::Status status = rpc::ValidateAddress(address);
      if (!status.ok()) return "--edge-websocket: " + std::string(status.message());
    }
    return "";
  });
  settings.Rule([this]() -> std::string {
    if (policies.empty()) return "";
    const absl::Status status = auth::PolicySet::FromJson(policies).status();
    return status.ok() ? "" : "--policy-file: " + std::string(status.message());
  });
}

}  // namespace fleetcast::rest_gateway
