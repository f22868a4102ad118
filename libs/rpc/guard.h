// Shared by run_on.cc and the streams: how a handler of ours is entered and left.
#pragma once

#include <stop_token>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/rpc/call.h"

namespace grpc {
class CallbackServerContext;
}  // namespace grpc

namespace fleetcast::rpc {

// The call that `context` stands for: its deadline (`default_deadline` from now if it has none, at most kDeadlineMax
// from now; an infinite `default_deadline` leaves it open) and the trace of its server span.
Call IncomingCall(const grpc::CallbackServerContext& context, std::stop_token stop, absl::Duration default_deadline);

// Runs `work`; an exception becomes INTERNAL and is logged. Ours throw nothing, but libraries below may.
absl::Status Guarded(absl::FunctionRef<absl::Status()> work);

// The same for the handler of `call`, with its trace current. CANCELLED or DEADLINE_EXCEEDED, without running it, when
// nobody waits for the answer any more.
absl::Status GuardedCall(const Call& call, absl::FunctionRef<absl::Status(const Call&)> handler);

// RESOURCE_EXHAUSTED with reason SERVER_BUSY: the pool's queue is full.
absl::Status ServerBusy();

}  // namespace fleetcast::rpc
