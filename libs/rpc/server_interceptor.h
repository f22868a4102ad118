// What happens around every RPC of a server: metrics, and the server span.
#pragma once

#include <memory>

#include "grpcpp/support/server_interceptor.h"
#include "libs/telemetry/metrics.h"

namespace fleetcast::rpc {

// Makes one interceptor per RPC. It
// - counts `rpc_server_call_duration_seconds{rpc_method,rpc_status}` for unary calls and
//   `rpc_server_streams{rpc_method}` for open streams;
// - starts a server span for a unary call and puts its context in the place of the caller's `traceparent`, where
//   IncomingCall finds it. A stream has no span: it lives for hours, and each batch on it brings a context of its own.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeServerInterceptors(
    telemetry::Metrics& metrics);

}  // namespace fleetcast::rpc
