// Names of the gRPC metadata that our clients and servers agree on.
#pragma once

namespace fleetcast::rpc {

// The W3C trace context of the caller. Inside a server: of the server span (server_interceptor.cc replaces it).
inline constexpr char kTraceparentKey[] = "traceparent";

}  // namespace fleetcast::rpc
