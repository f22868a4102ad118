#include "services/method_dispatch/delivery_link.h"

#include <utility>

#include "fleetcast/internal/v1/delivery.grpc.pb.h"
#include "grpcpp/impl/codegen/channel_interface.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/client_stream.h"
#include "libs/telemetry/log.h"

namespace fleetcast::method_dispatch {
namespace {

constexpr absl::Duration kStopLimit = absl::Seconds(1);

class GrpcDeliveryLink final : public DeliveryLink {
 public:
  GrpcDeliveryLink(const std::string& address, std::shared_ptr<grpc::ChannelInterface> channel, Dispatcher& dispatcher)
      : address_(address),
        dispatcher_(dispatcher),
        stub_(pb::DeliveryService::NewStub(channel)),
        index_(dispatcher.AddDelivery(this)),
        stream_(
            {.peer = address},
            [this](grpc::ClientContext* context, auto* reactor) { stub_->async()->Deliver(context, reactor); },
            {.on_connected = [this] { dispatcher_.OnDeliveryUp(index_); },
             .on_message =
                 [this](pb::DeliverResponse&& response) { dispatcher_.OnDeliveryMessage(index_, std::move(response)); },
             .on_disconnected = [this](const absl::Status& why) { OnDown(why); }}) {
    stream_.Start();
  }

  bool TrySend(pb::DeliverRequest request) override { return stream_.TrySend(std::move(request)); }
  void Stop() override { stream_.Shutdown(kStopLimit); }

 private:
  void OnDown(const absl::Status& why) {
    FLEETCAST_LOG(kWarning, "device_connection is gone", {{"address", address_}, {"error", why}});
    dispatcher_.OnDeliveryDown(index_);
  }

  const std::string address_;
  Dispatcher& dispatcher_;
  const std::unique_ptr<pb::DeliveryService::Stub> stub_;
  const size_t index_;
  rpc::BidiClientStream<pb::DeliverRequest, pb::DeliverResponse> stream_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeliveryLink>> DeliveryLink::Start(const std::string& address, Dispatcher& dispatcher) {
  FLEETCAST_ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelInterface> channel,
                             rpc::MakeChannel(address, {.own_connection = true}));
  return std::make_unique<GrpcDeliveryLink>(address, std::move(channel), dispatcher);
}

}  // namespace fleetcast::method_dispatch
