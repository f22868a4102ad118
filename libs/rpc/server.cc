#include "libs/rpc/server.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "libs/base/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/server_interceptor.h"

namespace fleetcast::rpc {
namespace {

// gRPC's plugins are switched on for all servers of a process that are built later.
void EnableHealth() { grpc::EnableDefaultHealthCheckService(true); }

void EnableReflection() {
  static std::once_flag once;
  std::call_once(once, [] { grpc::reflection::InitProtoReflectionServerBuilderPlugin(); });
}

void ApplyLimits(const ServerOptions& options, grpc::ServerBuilder* builder) {
  const auto milliseconds = [](absl::Duration d) { return static_cast<int>(absl::ToInt64Milliseconds(d)); };
  builder->SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
  builder->SetMaxSendMessageSize(static_cast<int>(options.message_bytes_max));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.concurrent_streams_max);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(kKeepaliveTime));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(kKeepaliveTimeout));
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, milliseconds(kKeepaliveTimeMin));
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // Two servers on one port are a mistake; say so.
  grpc::ResourceQuota quota("fleetcast");
  quota.Resize(options.memory_bytes_max);
  builder->SetResourceQuota(quota);
}

}  // namespace

struct Server::State {
  std::vector<std::string> names;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<ServedService>& services,
                                                      telemetry::Metrics& metrics) {
  FLEETCAST_RETURN_IF_ERROR(ValidateAddress(options.listen, /*listening=*/true));
  EnableHealth();
  if (options.reflection) EnableReflection();

  auto state = std::make_unique<State>();
  grpc::ServerBuilder builder;
  ApplyLimits(options, &builder);
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &state->port);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(MakeServerInterceptors(metrics));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  for (const ServedService& service : services) {
    builder.RegisterService(service.service);
    state->names.push_back(service.name);
  }
  state->server = builder.BuildAndStart();
  if (state->server == nullptr || state->port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.listen));
  }
  std::unique_ptr<Server> server(new Server(std::move(state)));
  server->SetServing(false);
  return server;
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() { Shutdown(absl::ZeroDuration()); }

int Server::port() const { return state_->port; }

std::shared_ptr<grpc::ChannelInterface> Server::InProcessChannel() {
  return state_->server->InProcessChannel(grpc::ChannelArguments());
}

void Server::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* const health = state_->server->GetHealthCheckService();
  for (const std::string& name : state_->names) health->SetServingStatus(name, serving);
  health->SetServingStatus("", serving);
}

void Server::Shutdown(absl::Duration limit) {
  state_->server->Shutdown(absl::ToChronoTime(SystemClock().Now() + limit));
}

}  // namespace fleetcast::rpc
