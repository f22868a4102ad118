#include "services/method_dispatch/dispatch_service.h"

#include <memory>
#include <utility>

#include "libs/rpc/server_stream.h"
#include "libs/telemetry/log.h"

namespace fleetcast::method_dispatch {
namespace {

using Stream = rpc::BidiServerStream<pb::DispatchRequest, pb::DispatchResponse>;

// Results of tens of thousands of calls may wait while the scheduler writes to its database.
constexpr rpc::OutboxLimits kOutbox = {.messages_max = 10'000, .bytes_max = 256 << 20};

class StreamOutlet final : public SchedulerOutlet {
 public:
  explicit StreamOutlet(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  bool TrySend(pb::DispatchResponse response) override { return stream_->TrySend(std::move(response)); }
  void Close() override { stream_->Close(absl::ResourceExhaustedError("the scheduler does not keep up")); }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

grpc::ServerBidiReactor<pb::DispatchRequest, pb::DispatchResponse>* DispatchService::Dispatch(
    grpc::CallbackServerContext* context) {
  auto stream = Stream::Create(kOutbox);
  const SchedulerStream id = dispatcher_.AddScheduler(std::make_shared<StreamOutlet>(stream));
  return stream->Start(context,
                       {.on_message =
                            [this, id](pb::DispatchRequest&& request) {
                              if (request.has_hello()) {
                                FLEETCAST_LOG(kInfo, "scheduler attached", {{"owner", request.hello().owner()}});
                              }
                              dispatcher_.OnSchedulerMessage(id, request);
                            },
                        .on_closed = [this, id](const absl::Status&) { dispatcher_.RemoveScheduler(id); }});
}

}  // namespace fleetcast::method_dispatch
