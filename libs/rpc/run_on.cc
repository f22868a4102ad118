#include "libs/rpc/run_on.h"

#include <atomic>
#include <utility>

#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "libs/rpc/guard.h"
#include "libs/rpc/status.h"

namespace fleetcast::rpc {
namespace {

// The reactor of a unary RPC: passes cancellation on. Belongs to gRPC, which calls OnDone last.
class UnaryReactor final : public grpc::ServerUnaryReactor {
 public:
  std::stop_token stop_token() const { return stop_.get_token(); }

 private:
  void OnCancel() override { stop_.request_stop(); }  // The client is gone, or the deadline passed.
  void OnDone() override { delete this; }

  std::stop_source stop_;
};

class PendingUnaryRpc final : public PendingRpc {
 public:
  PendingUnaryRpc(UnaryReactor* reactor, Call call) : reactor_(reactor), call_(std::move(call)) {}
  ~PendingUnaryRpc() override { Finish(absl::InternalError("the call was dropped")); }

  void Finish(const absl::Status& status) override {
    if (!finished_.exchange(true)) reactor_->Finish(ToGrpc(status));
  }
  const Call& call() const override { return call_; }

 private:
  UnaryReactor* const reactor_;  // Alive until Finish.
  const Call call_;
  std::atomic<bool> finished_ = false;
};

}  // namespace

grpc::ServerUnaryReactor* RunOn(WorkerPool& pool, grpc::CallbackServerContext* context, Handler handler) {
  auto* const reactor = new UnaryReactor;
  Call call = IncomingCall(*context, reactor->stop_token(), kDefaultDeadline);
  const bool queued = pool.TrySubmit([reactor, call = std::move(call), handler = std::move(handler)] {
    reactor->Finish(ToGrpc(GuardedCall(call, handler)));
  });
  if (!queued) reactor->Finish(ToGrpc(ServerBusy()));
  return reactor;
}

grpc::ServerUnaryReactor* RunNow(grpc::CallbackServerContext* context, const Handler& handler) {
  auto* const reactor = new UnaryReactor;
  reactor->Finish(ToGrpc(GuardedCall(IncomingCall(*context, reactor->stop_token(), kDefaultDeadline), handler)));
  return reactor;
}

grpc::ServerUnaryReactor* RunLater(grpc::CallbackServerContext* context,
                                   const std::function<void(std::shared_ptr<PendingRpc>)>& start) {
  auto* const reactor = new UnaryReactor;
  Call call = IncomingCall(*context, reactor->stop_token(), kDefaultDeadline);
  auto pending = std::make_shared<PendingUnaryRpc>(reactor, call);
  const absl::Status status = GuardedCall(call, [&](const Call&) {
    start(pending);
    return absl::OkStatus();
  });
  if (!status.ok()) pending->Finish(status);
  return reactor;
}

}  // namespace fleetcast::rpc
