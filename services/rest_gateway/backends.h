// The services behind the gateway, and calls to them that hold no thread while they wait.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fleetcast/jobs/v1/job.grpc.pb.h"
#include "fleetcast/methods/v1/method.grpc.pb.h"
#include "fleetcast/registry/v1/device.grpc.pb.h"
#include "fleetcast/registry/v1/module.grpc.pb.h"
#include "fleetcast/twins/v1/twin.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"
#include "libs/telemetry/trace.h"
#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

// How long backends may take. Methods have their own deadline.
inline constexpr absl::Duration kReadLimit = absl::Seconds(10);
inline constexpr absl::Duration kWriteLimit = absl::Seconds(10);
inline constexpr absl::Duration kQueryLimit = absl::Seconds(30);
inline constexpr absl::Duration kBulkLimit = absl::Seconds(30);

// Largest answer of a backend: a page of 100 twins at their limits, or of 100 outcomes with full payloads.
inline constexpr int64_t kPageBytesMax = int64_t{64} * 1024 * 1024;

using JobStub = fleetcast::jobs::v1::JobService::StubInterface;
using MethodStub = fleetcast::methods::v1::MethodService::StubInterface;
using DeviceStub = fleetcast::registry::v1::DeviceService::StubInterface;
using ModuleStub = fleetcast::registry::v1::ModuleService::StubInterface;
using TwinStub = fleetcast::twins::v1::TwinService::StubInterface;

// Connections to method_dispatch. One carries 1,000 open calls (rpc::ServerOptions), and direct methods wait long.
inline constexpr int kMethodConnections = 8;

// The stubs. Thread-safe.
class Backends {
 public:
  using Channel = std::shared_ptr<grpc::ChannelInterface>;

  // `twins` serves registry.v1 and twins.v1. `methods` must not be empty; calls go to each in turn.
  Backends(const Channel& jobs, const Channel& twins, const std::vector<Channel>& methods)
      : jobs_(jobs::v1::JobService::NewStub(jobs)),
        devices_(registry::v1::DeviceService::NewStub(twins)),
        modules_(registry::v1::ModuleService::NewStub(twins)),
        twins_(twins::v1::TwinService::NewStub(twins)) {
    for (const Channel& channel : methods) methods_.push_back(methods::v1::MethodService::NewStub(channel));
  }

  JobStub& jobs() const { return *jobs_; }
  DeviceStub& devices() const { return *devices_; }
  ModuleStub& modules() const { return *modules_; }
  TwinStub& twins() const { return *twins_; }
  MethodStub& methods() const { return *methods_[next_method_++ % methods_.size()]; }

 private:
  const std::unique_ptr<JobStub> jobs_;
  const std::unique_ptr<DeviceStub> devices_;
  const std::unique_ptr<ModuleStub> modules_;
  const std::unique_ptr<TwinStub> twins_;
  std::vector<std::unique_ptr<MethodStub>> methods_;
  mutable std::atomic<size_t> next_method_{0};
};

// Calls `method` of `async` with `request` and hands its answer to `done` on a thread of gRPC, exactly once, within
// `limit`. `name` is the full name of the method, for the client span.
template <typename Async, typename Request, typename Response, typename Done>
void CallBackend(const Exchange& exchange, absl::Duration limit, std::string_view name, Async* async,
                 void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                                       std::function<void(grpc::Status)>),
                 Request request, Done done) {
  struct Pending {
    Pending(Request sent, telemetry::Span started, Done handler)
        : done(std::move(handler)), request(std::move(sent)), span(std::move(started)) {}

    // First, so that it goes last: it holds the exchange, whose end the gateway waits for before the channels go. The
    // context holds its channel too, and the last reference to a channel must not be dropped on a thread of gRPC.
    Done done;
    grpc::ClientContext context;
    Request request;
    Response response;
    telemetry::Span span;
    std::optional<std::stop_callback<std::function<void()>>> cancel;
  };
  rpc::Call call = exchange.call();
  auto pending = std::make_shared<Pending>(
      std::move(request), telemetry::Span(name, {.kind = telemetry::SpanKind::kClient, .parent = call.trace}),
      std::move(done));
  call.trace = pending->span.context();
  rpc::PrepareContext(call, limit, &pending->context);
  pending->cancel.emplace(call.stop, [raw = pending.get()] { raw->context.TryCancel(); });
  (async->*method)(&pending->context, &pending->request, &pending->response,
                   [pending](const grpc::Status& wire_status) {
                     pending->cancel.reset();
                     const absl::Status status = rpc::FromGrpc(wire_status);
                     pending->span.SetStatus(status);
                     pending->span.End();
                     if (status.ok()) {
                       pending->done(absl::StatusOr<Response>(std::move(pending->response)));
                     } else {
                       pending->done(absl::StatusOr<Response>(status));
                     }
                   });
}

// As CallBackend; an error becomes the answer, `then` gets the response of a call that went well.
template <typename Async, typename Request, typename Response, typename Then>
void CallOrFail(const ExchangePtr& exchange, absl::Duration limit, std::string_view name, Async* async,
                void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                                      std::function<void(grpc::Status)>),
                Request request, Then then) {
  CallBackend(*exchange, limit, name, async, method, std::move(request),
              [exchange, then = std::move(then)](absl::StatusOr<Response> response) {
                if (!response.ok()) return exchange->Fail(response.status());
                then(*std::move(response));
              });
}

}  // namespace fleetcast::rest_gateway
