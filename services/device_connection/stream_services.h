// The streams that this process serves: edges, dispatchers and the change feed of twin.
#pragma once

#include "fleetcast/internal/v1/delivery.grpc.pb.h"
#include "fleetcast/internal/v1/device_feed.grpc.pb.h"
#include "fleetcast/internal/v1/edge_link.grpc.pb.h"
#include "services/device_connection/deliveries.h"
#include "services/device_connection/device_feed.h"
#include "services/device_connection/edge_link.h"

namespace fleetcast::device_connection {

class EdgeLinkService final : public internal::v1::EdgeLinkService::CallbackService {
 public:
  explicit EdgeLinkService(const EdgeLinkParts& parts) : parts_(parts) {}

  grpc::ServerBidiReactor<internal::v1::AttachRequest, internal::v1::AttachResponse>* Attach(
      grpc::CallbackServerContext* context) override;

 private:
  const EdgeLinkParts parts_;
};

class DeliveryService final : public internal::v1::DeliveryService::CallbackService {
 public:
  explicit DeliveryService(Deliveries& deliveries) : deliveries_(deliveries) {}

  grpc::ServerBidiReactor<internal::v1::DeliverRequest, internal::v1::DeliverResponse>* Deliver(
      grpc::CallbackServerContext* context) override;

 private:
  Deliveries& deliveries_;
};

class DeviceFeedService final : public internal::v1::DeviceFeedService::CallbackService {
 public:
  explicit DeviceFeedService(DeviceFeed& feed) : feed_(feed) {}

  grpc::ServerBidiReactor<internal::v1::PublishRequest, internal::v1::PublishResponse>* Publish(
      grpc::CallbackServerContext* context) override;

 private:
  DeviceFeed& feed_;
};

}  // namespace fleetcast::device_connection
