#include "libs/rpc/testing/echo_service.h"

#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"

namespace fleetcast::rpc::testing {

grpc::ServerUnaryReactor* EchoServiceImpl::Echo(grpc::CallbackServerContext* context, const EchoRequest* request,
                                                EchoResponse* response) {
  return RunOn(pool_, context, [request, response](const Call& call) -> absl::Status {
    if (request->text() == "throw") throw std::runtime_error("on purpose");
    if (request->text() == "fail") {
      return MakeError(absl::StatusCode::kNotFound, "ECHO_NOT_FOUND", "no such echo", {{"echo", "fail"}});
    }
    if (request->text() == "wait") SystemClock().Sleep(absl::Minutes(1), call.stop);
    response->set_text(request->text());
    response->set_traceparent(ToTraceparent(call.trace));
    response->set_remaining_ms(absl::ToInt64Milliseconds(call.Remaining()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EchoServiceImpl::EchoLater(grpc::CallbackServerContext* context, const EchoRequest* request,
                                                     EchoResponse* response) {
  return RunLater(context, [this, request, response](std::shared_ptr<PendingRpc> pending) {
    response->set_text(request->text());
    MutexLock lock(mutex_);
    waiting_.insert(std::move(pending));
  });
}

bool EchoServiceImpl::AnswerOne() {
  std::shared_ptr<PendingRpc> pending;
  {
    MutexLock lock(mutex_);
    if (waiting_.empty()) return false;
    pending = *waiting_.begin();
    waiting_.erase(pending);
  }
  pending->Finish(absl::OkStatus());
  return true;
}

grpc::ServerWriteReactor<EchoResponse>* EchoServiceImpl::Count(grpc::CallbackServerContext* context,
                                                               const CountRequest* request) {
  return StreamOn<EchoResponse>(
      pool_, context, [count = request->count()](const Call&, ServerStream<EchoResponse>& out) -> absl::Status {
        for (int i = 0; i < count; ++i) {
          EchoResponse response;
          response.set_text(absl::StrCat(i));
          if (!out.Send(std::move(response))) return absl::CancelledError("nobody listens");
        }
        return absl::OkStatus();
      });
}

grpc::ServerBidiReactor<EchoRequest, EchoResponse>* EchoServiceImpl::Chat(grpc::CallbackServerContext* context) {
  std::shared_ptr<ChatStream> stream = ChatStream::Create(outbox_);
  {
    MutexLock lock(mutex_);
    chats_.insert(stream);
  }
  return stream->Start(context, {.on_message =
                                     [stream](EchoRequest&& request) {
                                       if (request.text() == "close") {
                                         stream->Close(absl::FailedPreconditionError("closed on request"));
                                       }
                                       EchoResponse response;
                                       response.set_text(request.text());
                                       stream->TrySend(std::move(response));
                                     },
                                 .on_closed =
                                     [this, stream](const absl::Status&) {
                                       MutexLock lock(mutex_);
                                       chats_.erase(stream);
                                       ++chats_closed_;
                                     }});
}

std::set<std::shared_ptr<EchoServiceImpl::ChatStream>> EchoServiceImpl::chats() {
  MutexLock lock(mutex_);
  return chats_;
}

int EchoServiceImpl::chats_closed() {
  MutexLock lock(mutex_);
  return chats_closed_;
}

void EchoServiceImpl::CloseChats(const absl::Status& status) {
  for (const std::shared_ptr<ChatStream>& chat : chats()) chat->Close(status);
}

}  // namespace fleetcast::rpc::testing
