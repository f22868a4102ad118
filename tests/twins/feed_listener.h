// A device_connection that writes down what the change feed tells.
#pragma once

#include "fleetcast/internal/v1/device_feed.grpc.pb.h"
#include "libs/rpc/server_stream.h"
#include "tests/twins/recorder.h"

namespace fleetcast::twin_history {

class FeedListener final : public internal::v1::DeviceFeedService::CallbackService {
 public:
  explicit FeedListener(Recorder& recorder) : recorder_(recorder) {}

  grpc::ServerBidiReactor<internal::v1::PublishRequest, internal::v1::PublishResponse>* Publish(
      grpc::CallbackServerContext* context) override;

 private:
  void Hear(const internal::v1::PublishRequest& batch);

  Recorder& recorder_;
};

}  // namespace fleetcast::twin_history
