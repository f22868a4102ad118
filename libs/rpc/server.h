// The gRPC server of a process. Services use libs/rpc/process.h, which owns one; tests use it directly.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/rpc/channel.h"
#include "libs/telemetry/metrics.h"

namespace grpc {
class ChannelInterface;
class Service;
}  // namespace grpc

namespace fleetcast::rpc {

struct ServerOptions {
  std::string listen = {};                       // host:port; port 0 takes a free one.
  int64_t message_bytes_max = kMessageBytesMax;  // Larger messages are RESOURCE_EXHAUSTED.
  int concurrent_streams_max = 1000;             // RPCs open at once on one connection; more wait at the client.
  size_t memory_bytes_max = 512 << 20;           // gRPC's buffers (ResourceQuota).
  bool reflection = true;
};

// A service to serve, under the name that health checks ask for.
struct ServedService {
  std::string name = {};             // pb::JobService::service_full_name()
  grpc::Service* service = nullptr;  // Outlives the server.
};

// Serves gRPC with health checks (overall "" and one per service), reflection, keepalive, and, per RPC,
// `rpc_server_call_duration_seconds{rpc_method,rpc_status}`, `rpc_server_streams{rpc_method}` for open streams, and a
// server span continued from the caller's `traceparent`. Thread-safe.
class Server {
 public:
  // Binds and starts; answers NOT_SERVING until SetServing(true). UNAVAILABLE when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const std::vector<ServedService>& services,
                                                       telemetry::Metrics& metrics);
  // Shuts down at once if Shutdown was not called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The port that was bound.
  int port() const;
  // A channel inside the process, without a socket; for tests.
  std::shared_ptr<grpc::ChannelInterface> InProcessChannel();

  // What health checks answer, for all services.
  void SetServing(bool serving);

  // Refuses new RPCs, waits for open ones for at most `limit`, cancels the rest, and returns when all are done.
  void Shutdown(absl::Duration limit);

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetcast::rpc
