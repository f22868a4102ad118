#include "services/device_connection/stream_services.h"

#include <utility>

#include "libs/rpc/server_stream.h"

namespace fleetcast::device_connection {

namespace pb = ::fleetcast::internal::v1;

namespace {

// What may wait for one edge or one dispatcher. An edge gets a message per batch, so these are tens of thousands of
// calls; whoever is that far behind starts over.
constexpr rpc::OutboxLimits kOutbox = {.messages_max = 4096, .bytes_max = 64 << 20};

using EdgeStream = rpc::BidiServerStream<pb::AttachRequest, pb::AttachResponse>;
using DispatcherRpc = rpc::BidiServerStream<pb::DeliverRequest, pb::DeliverResponse>;
using FeedStream = rpc::BidiServerStream<pb::PublishRequest, pb::PublishResponse>;

// A stream as an outlet of the core, which knows no gRPC.
template <typename Outlet, typename Stream, typename Message>
class StreamOutlet final : public Outlet {
 public:
  explicit StreamOutlet(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  bool TrySend(Message message) override { return stream_->TrySend(std::move(message)); }
  void Abort() override { stream_->Abort(); }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

grpc::ServerBidiReactor<pb::AttachRequest, pb::AttachResponse>* EdgeLinkService::Attach(
    grpc::CallbackServerContext* context) {
  auto stream = EdgeStream::Create(kOutbox);
  auto link = std::make_shared<EdgeLink>(
      parts_, std::make_shared<StreamOutlet<EdgeOutlet, EdgeStream, pb::AttachResponse>>(stream));
  return stream->Start(context,
                       {.on_message = [link](pb::AttachRequest&& message) { link->OnMessage(std::move(message)); },
                        .on_closed = [link](const absl::Status& why) { link->OnClosed(why); }});
}

grpc::ServerBidiReactor<pb::DeliverRequest, pb::DeliverResponse>* DeliveryService::Deliver(
    grpc::CallbackServerContext* context) {
  auto stream = DispatcherRpc::Create(kOutbox);
  const DispatcherStream number =
      deliveries_.Attach(std::make_shared<StreamOutlet<DispatcherOutlet, DispatcherRpc, pb::DeliverResponse>>(stream));
  return stream->Start(
      context, {.on_message =
                    [this, number](pb::DeliverRequest&& message) { deliveries_.OnMessage(number, std::move(message)); },
                .on_closed = [this, number](const absl::Status&) { deliveries_.Detach(number); }});
}

grpc::ServerBidiReactor<pb::PublishRequest, pb::PublishResponse>* DeviceFeedService::Publish(
    grpc::CallbackServerContext* context) {
  auto stream = FeedStream::Create();
  return stream->Start(context, {.on_message =
                                     [this, stream = stream.get()](pb::PublishRequest&& batch) {
                                       feed_.OnBatch(batch);
                                       pb::PublishResponse response;
                                       response.set_acknowledged_batch(batch.batch());
                                       if (!stream->TrySend(std::move(response))) stream->Abort();
                                     },
                                 .on_closed = nullptr});
}

}  // namespace fleetcast::device_connection
