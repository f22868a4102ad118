// What an RPC in progress may use: until when, until stopped, and the trace it belongs to; and how to call onward.
//
//   absl::StatusOr<Twin> Twins::Get(const rpc::Call& call, …) {
//     pb::GetTwinRequest request = …;
//     pb::Twin twin;
//     FLEETCAST_RETURN_IF_ERROR(rpc::CallUnary(
//         call, kGetTwinLimit, "TwinService/GetTwin",
//         [&](grpc::ClientContext* context) { return stub_->GetTwin(context, request, &twin); }));
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/telemetry/trace.h"

namespace grpc {
class ClientContext;
class Status;
}  // namespace grpc

namespace fleetcast::rpc {

// Limits of incoming calls; outgoing calls name their own.
inline constexpr absl::Duration kDefaultDeadline = absl::Seconds(30);  // For an incoming call that brings none.
inline constexpr absl::Duration kDeadlineMax = absl::Minutes(15);      // A longer deadline is cut to this.
// What a hop keeps for itself of the caller's time, so that the caller hears our answer and not only its own deadline.
inline constexpr absl::Duration kHopMargin = absl::Milliseconds(50);

// One RPC in progress. A value; copy it freely.
struct Call {
  absl::Time deadline = absl::InfiniteFuture();  // Wall clock.
  std::stop_token stop = {};                     // Requested when the client went away or the deadline passed.
  telemetry::TraceContext trace = {};            // The server span; pass it on.

  // Time left; never negative.
  absl::Duration Remaining() const;
};

// A call of our own, from a loop: a fresh deadline `limit` from now.
Call BackgroundCall(absl::Duration limit, std::stop_token stop = {}, const telemetry::TraceContext& trace = {});

// Sets the deadline of an outgoing call, min(limit from now, what is left of `call` minus kHopMargin), and its
// traceparent. Use CallUnary where possible.
void PrepareContext(const Call& call, absl::Duration limit, grpc::ClientContext* context);

// Runs one unary call on the calling thread. `start` calls a synchronous stub with the prepared context. The call is
// cancelled when `call.stop` is requested; DEADLINE_EXCEEDED without calling when no time is left. Records a client
// span named `method`. Never retries: whoever knows that a method is idempotent repeats it.
absl::Status CallUnary(const Call& call, absl::Duration limit, std::string_view method,
                       const std::function<grpc::Status(grpc::ClientContext* context)>& start);

}  // namespace fleetcast::rpc
