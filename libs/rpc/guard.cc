#include "libs/rpc/guard.h"

#include <algorithm>
#include <exception>

#include "grpcpp/server_context.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/rpc/metadata.h"
#include "libs/rpc/status.h"
#include "libs/telemetry/log.h"

namespace fleetcast::rpc {
namespace {

// The stated deadline of an RPC that has none lies this far away or further.
constexpr absl::Duration kNoDeadline = absl::Hours(24 * 365);

absl::Status Thrown(const char* what) {
  FLEETCAST_LOG(kError, "a handler threw", {{"what", what}});
  return absl::InternalError("internal error");
}

}  // namespace

Call IncomingCall(const grpc::CallbackServerContext& context, std::stop_token stop, absl::Duration default_deadline) {
  const absl::Time now = SystemClock().Now();
  absl::Time deadline = absl::FromChrono(context.deadline());
  if (deadline - now > kNoDeadline) deadline = now + default_deadline;
  if (default_deadline != absl::InfiniteDuration()) deadline = std::min(deadline, now + kDeadlineMax);

  Call call{.deadline = deadline, .stop = std::move(stop)};
  const auto traceparent = context.client_metadata().find(kTraceparentKey);
  if (traceparent != context.client_metadata().end()) {
    call.trace = telemetry::ParseTraceparent({traceparent->second.data(), traceparent->second.size()});
  }
  return call;
}

absl::Status Guarded(absl::FunctionRef<absl::Status()> work) {
  try {
    return work();
  } catch (const std::exception& error) {
    return Thrown(error.what());
  } catch (...) {
    return Thrown("not an exception");
  }
}

absl::Status GuardedCall(const Call& call, absl::FunctionRef<absl::Status(const Call&)> handler) {
  if (call.Remaining() == absl::ZeroDuration()) return absl::DeadlineExceededError("the deadline passed in the queue");
  if (call.stop.stop_requested()) return absl::CancelledError("the caller has gone");
  const telemetry::ScopedTrace scope(call.trace);
  return Guarded([&] { return handler(call); });
}

absl::Status ServerBusy() {
  constexpr absl::Duration kRetryAfter = absl::Seconds(1);
  return WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted, "SERVER_BUSY", "the server's queue is full"),
                        kRetryAfter);
}

}  // namespace fleetcast::rpc
