// The service behind echo.proto: one of each kind of handler.
#pragma once

#include <memory>
#include <set>

#include "libs/base/mutex.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/run_on.h"
#include "libs/rpc/server_stream.h"
#include "libs/rpc/testing/echo.grpc.pb.h"

namespace fleetcast::rpc::testing {

class EchoServiceImpl final : public EchoService::CallbackService {
 public:
  using ChatStream = BidiServerStream<EchoRequest, EchoResponse>;

  // Handlers run on `pool`.
  explicit EchoServiceImpl(WorkerPool& pool, OutboxLimits outbox = {}) : pool_(pool), outbox_(outbox) {}

  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const EchoRequest* request,
                                 EchoResponse* response) override;
  grpc::ServerUnaryReactor* EchoLater(grpc::CallbackServerContext* context, const EchoRequest* request,
                                      EchoResponse* response) override;
  grpc::ServerWriteReactor<EchoResponse>* Count(grpc::CallbackServerContext* context,
                                                const CountRequest* request) override;
  grpc::ServerBidiReactor<EchoRequest, EchoResponse>* Chat(grpc::CallbackServerContext* context) override;

  // Answers an EchoLater that waits. False when none does.
  bool AnswerOne() EXCLUDES(mutex_);
  // The chats that are open.
  std::set<std::shared_ptr<ChatStream>> chats() EXCLUDES(mutex_);
  int chats_closed() EXCLUDES(mutex_);
  // Ends all chats, as a process does when it drains.
  void CloseChats(const absl::Status& status) EXCLUDES(mutex_);

 private:
  WorkerPool& pool_;
  const OutboxLimits outbox_;
  Mutex mutex_;
  std::set<std::shared_ptr<PendingRpc>> waiting_ GUARDED_BY(mutex_);
  std::set<std::shared_ptr<ChatStream>> chats_ GUARDED_BY(mutex_);
  int chats_closed_ GUARDED_BY(mutex_) = 0;
};

}  // namespace fleetcast::rpc::testing
