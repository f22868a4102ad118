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

// Streams as outlets of the core, which knows no gRPC.
class EdgeStreamOutlet final : public EdgeOutlet {
 public:
  explicit EdgeStreamOutlet(std::shared_ptr<EdgeStream> stream) : stream_(std::move(stream)) {}
  bool TrySend(pb::AttachResponse message) override { return stream_->TrySend(std::move(message)); }
  void Abort() override { stream_->Abort(); }

 private:
  const std::shared_ptr<EdgeStream> stream_;
};

class DispatcherStreamOutlet final : public DispatcherOutlet {
 public:
  explicit DispatcherStreamOutlet(std::shared_ptr<DispatcherRpc> stream) : stream_(std::move(stream)) {}
  bool TrySend(pb::DeliverResponse& message) override { return stream_->TryQueue(message); }
  void Abort() override { stream_->Abort(); }

 private:
  const std::shared_ptr<DispatcherRpc> stream_;
};

}  // namespace

grpc::ServerBidiReactor<pb::AttachRequest, pb::AttachResponse>* EdgeLinkService::Attach(
    grpc::CallbackServerContext* context) {
  auto stream = EdgeStream::Create(kOutbox);
  auto link = std::make_shared<EdgeLink>(parts_, std::make_shared<EdgeStreamOutlet>(stream));
  return stream->Start(context,
                       {.on_message = [link](pb::AttachRequest&& message) { link->OnMessage(std::move(message)); },
                        .on_closed = [link](const absl::Status& why) { link->OnClosed(why); }});
}

grpc::ServerBidiReactor<pb::DeliverRequest, pb::DeliverResponse>* DeliveryService::Deliver(
    grpc::CallbackServerContext* context) {
  auto stream = DispatcherRpc::Create(kOutbox);
  const DispatcherStream number = deliveries_.Attach(std::make_shared<DispatcherStreamOutlet>(stream));
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
                                       if (!feed_.OnBatch(batch)) return stream->Abort();
                                       pb::PublishResponse response;
                                       response.set_acknowledged_batch(batch.batch());
                                       if (!stream->TrySend(std::move(response))) stream->Abort();
                                     },
                                 .on_closed = nullptr});
}

}  // namespace fleetcast::device_connection
