// The table of services: the one place that knows with which flags each of them is started.
#include "tools/fleetcast/dev/stack.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/fleetcast/dev/certificate.h"

namespace fleetcast::dev {
namespace {

using Flags = std::vector<std::string>;

constexpr char kQuickly[] = "1s";  // A developer who stops the stack does not wait for devices.

// Where another service is reached.
std::string Of(const Stack& stack, const char* service) { return stack.AddressesOf(service); }

std::string Names(const Stack& stack) { return absl::StrJoin(stack.names, ","); }
std::string CertificateFile(const Stack& stack) { return absl::StrCat(stack.tls_dir, "/", kServerCertificateFile); }
std::string KeyFile(const Stack& stack) { return absl::StrCat(stack.tls_dir, "/", kServerKeyFile); }

// Where the edges take WebSockets that rest_gateway passes on.
std::string WebSocketAddresses(const Stack& stack) {
  return absl::StrJoin(stack.edges, ",", [&](std::string* out, const EdgePorts& edge) {
    absl::StrAppend(out, stack.Address(edge.websocket));
  });
}

// Devices get the chain that they know (D-TLS-3).
std::string BothCertificateFiles(const Stack& stack) {
  return absl::StrCat(CertificateFile(stack), ",", stack.tls_dir, "/", kRsaServerCertificateFile);
}
std::string BothKeyFiles(const Stack& stack) {
  return absl::StrCat(KeyFile(stack), ",", stack.tls_dir, "/", kRsaServerKeyFile);
}

Flags TwinFlags(const Stack& stack, int) {
  return {"--migrate-on-start=true", "--device-connection-addresses", Of(stack, "device_connection"),
          "--key-encryption-key-file", stack.sealing_key_file};
}

Flags JobApiFlags(const Stack& stack, int) {
  return {"--migrate-on-start=true", "--twin-addresses", Of(stack, "twin")};
}

Flags DeviceConnectionFlags(const Stack& stack, int) {
  return {"--redis",       stack.env.redis,   "--twin-addresses", Of(stack, "twin"),
          "--policy-file", stack.policy_file, "--host-names",     Names(stack)};
}

Flags MethodDispatchFlags(const Stack& stack, int) {
  return {"--device-connection-addresses", Of(stack, "device_connection")};
}

Flags SchedulerFlags(const Stack& stack, int) {
  return {"--method-addresses", Of(stack, "method_dispatch"), "--twin-addresses",
          Of(stack, "twin"),    "--drain-in-flight",          kQuickly};
}

Flags RestGatewayFlags(const Stack& stack, int) {
  return {"--https-listen",
          stack.Address(stack.env.rest_port),
          "--tls-cert-file",
          CertificateFile(stack),
          "--tls-key-file",
          KeyFile(stack),
          "--policy-file",
          stack.policy_file,
          "--host-names",
          Names(stack),
          "--job-api-addresses",
          Of(stack, "job_api"),
          "--twin-addresses",
          Of(stack, "twin"),
          "--method-addresses",
          Of(stack, "method_dispatch"),
          "--edge-websocket",
          WebSocketAddresses(stack),
          "--edge-websocket-proxy-protocol=true"};
}

Flags MqttEdgeFlags(const Stack& stack, int replica) {
  const EdgePorts& ports = stack.edges[static_cast<size_t>(replica)];
  return {"--edge-id",
          absl::StrCat("edge-", replica),
          "--tls-listen",
          stack.Address(ports.mqtts),
          "--tls-cert-file",
          BothCertificateFiles(stack),
          "--tls-key-file",
          BothKeyFiles(stack),
          "--client-ca-file",
          absl::StrCat(stack.tls_dir, "/", kClientAuthoritiesFile),
          "--plain-listen",
          stack.Address(ports.mqtt),
          "--ws-plain-listen",
          stack.Address(ports.websocket),
          "--proxy-protocol",
          "ws-plain",
          "--device-connection-addresses",
          Of(stack, "device_connection"),
          "--call-drain",
          kQuickly,
          "--close-over",
          "0"};
}

}  // namespace

const std::vector<ServiceEntry>& Services() {
  static const auto* const services = new std::vector<ServiceEntry>{
      {"twin", TwinFlags},
      {"job_api", JobApiFlags},
      {"device_connection", DeviceConnectionFlags},
      {"method_dispatch", MethodDispatchFlags},
      {"scheduler", SchedulerFlags},
      {"rest_gateway", RestGatewayFlags, /*can_have_replicas=*/false},
      {"mqtt_edge", MqttEdgeFlags},
  };
  return *services;
}

}  // namespace fleetcast::dev
