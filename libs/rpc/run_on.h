// Unary handlers of the callback API that may block: they run on a bounded pool, never on gRPC's threads.
//
//   grpc::ServerUnaryReactor* TwinService::GetTwin(grpc::CallbackServerContext* context,
//                                                  const pb::GetTwinRequest* request, pb::Twin* response) {
//     return rpc::RunOn(pool_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
//       FLEETCAST_ASSIGN_OR_RETURN(const Twin twin, twins_.Get(call, request->device_id()));
//       *response = ToProto(twin);
//       return absl::OkStatus();
//     });
//   }
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/call.h"

namespace grpc {
class CallbackServerContext;
class ServerUnaryReactor;
}  // namespace grpc

namespace fleetcast::rpc {

// A handler of one RPC: fills the response it captured and returns how it went. Runs once, or never.
using Handler = std::function<absl::Status(const Call& call)>;

// Runs `handler` on `pool` and finishes the RPC exactly once, whatever happens: RESOURCE_EXHAUSTED (reason
// SERVER_BUSY) when the pool's queue is full, CANCELLED or DEADLINE_EXCEEDED without running when the caller gave up
// while it waited, INTERNAL when it throws. Request, response and context stay valid until the handler returns.
grpc::ServerUnaryReactor* RunOn(WorkerPool& pool, grpc::CallbackServerContext* context, Handler handler);

// Runs `handler` at once on gRPC's thread: only for handlers that neither block nor compute long. The same guarantees.
grpc::ServerUnaryReactor* RunNow(grpc::CallbackServerContext* context, const Handler& handler);

// An RPC that is answered later, from elsewhere (a table of pending calls): no thread waits for it.
class PendingRpc {
 public:
  virtual ~PendingRpc() = default;
  // Finishes the RPC; the response must be filled. Only the first call counts. Thread-safe. `status` OK or not.
  virtual void Finish(const absl::Status& status) = 0;
  virtual const Call& call() const = 0;
};

// Starts an RPC that is answered later. `start` gets the pending RPC, keeps it where the answer will come, and returns;
// it runs at once, on gRPC's thread, and must not block. The response message must not be touched after Finish. A
// pending RPC that is destroyed unfinished ends as INTERNAL. When the client goes away or the deadline passes,
// `call().stop` is requested: use a std::stop_callback to clean up; Finish stays allowed and is still required.
grpc::ServerUnaryReactor* RunLater(grpc::CallbackServerContext* context,
                                   const std::function<void(std::shared_ptr<PendingRpc>)>& start);

}  // namespace fleetcast::rpc
