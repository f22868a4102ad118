// An HTTP/1.1 server over TLS (and in plain text, where that is configured) on Boost.Beast.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/http/message.h"
#include "libs/http/router.h"

namespace fleetcast::http {

// Bounds of one server. Each has a default that suits a public endpoint.
struct ServerLimits {
  size_t header_bytes_max = size_t{16} * 1024;  // Request line and headers; beyond: 431.
  size_t connections_max = 10'000;              // Beyond: closed right after accept.
  absl::Duration handshake_timeout = absl::Seconds(10);
  absl::Duration idle_timeout = absl::Seconds(75);    // Between requests of one connection.
  absl::Duration header_timeout = absl::Seconds(10);  // From the first byte to the end of the headers.
  absl::Duration body_timeout = absl::Seconds(30);    // From the end of the headers to the end of the body.
  absl::Duration write_timeout = absl::Seconds(30);   // For one response.
};

// Requests that are not answered here: the connection becomes a byte stream to somebody behind us.
struct TunnelOptions {
  // Whether a request is passed on, judged by its target (taken apart). Runs on an I/O thread. Empty = none is.
  std::function<bool(const Request& request)> accepts;
  // Who takes them: host:port, plain TCP. Each connection asks another one first, then the others; 503 when none
  // answers.
  std::vector<std::string> addresses;
  // Tells them the client's address: PROXY protocol, version 2, before anything else.
  bool sends_proxy_header = false;
  absl::Duration connect_timeout = absl::Seconds(3);  // Of each address, its look-up included.
  absl::Duration answer_timeout = absl::Seconds(10);  // To the first byte of its answer.
  absl::Duration stall_timeout = absl::Seconds(30);   // A client that takes nothing is closed.
  absl::Duration close_over = absl::Seconds(10);      // On Drain: over how long they are closed, at random.
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // Literal IPv4 or IPv6 address to listen on.
  uint16_t port = 0;                  // 0 = any free port; see Server::port().
  bool is_plain = false;              // No TLS: for tests and for use behind a proxy on the same machine.
  std::string tls_certificate_file;   // PEM, leaf first. Required unless is_plain.
  std::string tls_key_file;           // PEM.
  int threads = 2;                    // I/O threads; a connection belongs to one of them for life.
  ServerLimits limits;
  Router router;
  TunnelOptions tunnel;
  // Asked when the headers of a request for `route` are complete and before its body is read: an answer refuses the
  // request. Runs on an I/O thread. Optional.
  std::function<std::optional<Response>(const Request& request, const Route& route)> admit;
  // Renders an error that the server itself answers: 400, 404, 405, 413, 417, 431, 503. `request` is null when nothing
  // could be read. Optional; without it the body is empty.
  std::function<Response(int status, std::string_view text, const Request* request)> render_error;
};

// What a server has seen and does; for metrics.
struct ServerCounts {
  int64_t connections = 0;          // Open now.
  int64_t refused_connections = 0;  // Beyond connections_max, ever.
  int64_t failed_handshakes = 0;    // Ever; a client without TLS counts here.
  int64_t requests_in_progress = 0;
  int64_t tunnels = 0;          // Open now; they count as connections, too.
  int64_t opened_tunnels = 0;   // Ever.
  int64_t refused_tunnels = 0;  // Answered with 503, ever.
};

// Serves from construction to destruction. Thread-safe.
//
// A connection serves one request at a time; what a client sends ahead (pipelining) waits in the socket. Handlers may
// take as long as they like: a waiting request holds memory and a connection, no thread.
class Server {
 public:
  // Binds, loads the certificate and starts the threads. INVALID_ARGUMENT for a bad address, certificate or key;
  // UNAVAILABLE when the port is taken.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);

  // Drains nothing: open connections are closed.
  virtual ~Server() = default;

  // The port that is listened on.
  virtual uint16_t port() const = 0;

  // Stops accepting, closes idle connections, lets requests in progress finish and closes their connections after the
  // answer; closes tunnels over TunnelOptions::close_over. Returns when none is left, or after `patience`.
  virtual void Drain(absl::Duration patience) = 0;

  // Reads certificate and key again if their files have changed since they were last tried, or on `demand`: connections
  // from here on get the new ones. nullopt when there was no reason to (always in plain text); INVALID_ARGUMENT when
  // they cannot be used, and what there is stays in use.
  virtual std::optional<absl::Status> ReloadTls(bool demand) = 0;
  // Of the certificate in use; infinitely late in plain text.
  virtual absl::Time certificate_expiry() const = 0;

  virtual ServerCounts counts() const = 0;
};

}  // namespace fleetcast::http
