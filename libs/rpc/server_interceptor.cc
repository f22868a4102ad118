#include "libs/rpc/server_interceptor.h"

#include <map>
#include <string>
#include <string_view>

#include "grpcpp/support/interceptor.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/string_ref.h"
#include "libs/base/clock.h"
#include "libs/rpc/metadata.h"
#include "libs/rpc/status.h"
#include "libs/telemetry/trace.h"

namespace fleetcast::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

// Shared by all RPCs of a server.
struct ServerMetrics {
  explicit ServerMetrics(telemetry::Metrics& metrics)
      : seconds(metrics.NewHistograms("rpc_server_call_duration_seconds", "Duration of unary calls",
                                      {"rpc_method", "rpc_status"}, telemetry::CallSeconds())),
        streams(metrics.NewGauges("rpc_server_streams", "Open streams", {"rpc_method"})) {}

  telemetry::HistogramFamily seconds;
  telemetry::GaugeFamily streams;
};

// The path without its leading slash: "fleetcast.jobs.v1.JobService/GetJob".
std::string_view MethodName(const ServerRpcInfo& info) {
  std::string_view method = info.method();
  if (!method.empty() && method.front() == '/') method.remove_prefix(1);
  return method;
}

class UnaryInterceptor final : public grpc::experimental::Interceptor {
 public:
  UnaryInterceptor(const ServerMetrics& metrics, const ServerRpcInfo& info)
      : metrics_(metrics), method_(MethodName(info)), started_(SystemClock().Monotonic()) {}

  ~UnaryInterceptor() override {
    const double seconds = absl::ToDoubleSeconds(SystemClock().Monotonic() - started_);
    metrics_.seconds.With({method_, CodeName(status_.code())}).Observe(seconds);
    span_.SetStatus(status_);
  }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      StartSpan(methods->GetRecvInitialMetadata());
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      status_ = FromGrpc(methods->GetSendStatus());
    }
    methods->Proceed();
  }

 private:
  void StartSpan(std::multimap<grpc::string_ref, grpc::string_ref>* metadata) {
    if (!telemetry::TracingEnabled() || metadata == nullptr) return;
    telemetry::TraceContext parent;
    if (const auto found = metadata->find(kTraceparentKey); found != metadata->end()) {
      parent = telemetry::ParseTraceparent({found->second.data(), found->second.size()});
    }
    span_ = telemetry::Span(method_, {.kind = telemetry::SpanKind::kServer, .parent = parent});
    traceparent_ = ToTraceparent(span_.context());
    metadata->erase(kTraceparentKey);
    metadata->emplace(kTraceparentKey, traceparent_);  // Refers to our text, which lives as long as the RPC.
  }

  const ServerMetrics& metrics_;
  const std::string_view method_;  // Static text of the generated service.
  const absl::Duration started_;
  absl::Status status_ = absl::CancelledError("");  // Until a status was sent.
  telemetry::Span span_;
  std::string traceparent_;
};

class StreamInterceptor final : public grpc::experimental::Interceptor {
 public:
  StreamInterceptor(const ServerMetrics& metrics, const ServerRpcInfo& info)
      : open_(metrics.streams.With({MethodName(info)})) {
    open_.Add(1);
  }
  ~StreamInterceptor() override { open_.Add(-1); }

  void Intercept(InterceptorBatchMethods* methods) override { methods->Proceed(); }

 private:
  const telemetry::Gauge open_;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(telemetry::Metrics& metrics) : metrics_(metrics) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    if (info->type() == ServerRpcInfo::Type::UNARY) return new UnaryInterceptor(metrics_, *info);
    return new StreamInterceptor(metrics_, *info);
  }

 private:
  const ServerMetrics metrics_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeServerInterceptors(
    telemetry::Metrics& metrics) {
  return std::make_unique<Factory>(metrics);
}

}  // namespace fleetcast::rpc
