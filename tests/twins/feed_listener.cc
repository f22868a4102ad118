#include "tests/twins/feed_listener.h"

#include "libs/base/check.h"

namespace fleetcast::twin_history {

using internal::v1::PublishRequest;
using internal::v1::PublishResponse;

grpc::ServerBidiReactor<PublishRequest, PublishResponse>* FeedListener::Publish(grpc::CallbackServerContext* context) {
  auto stream = rpc::BidiServerStream<PublishRequest, PublishResponse>::Create();
  return stream->Start(context, {.on_message =
                                     [this, stream](PublishRequest&& batch) {
                                       Hear(batch);
                                       PublishResponse response;
                                       response.set_acknowledged_batch(batch.batch());
                                       stream->TrySend(std::move(response));
                                     },
                                 .on_closed = nullptr});
}

void FeedListener::Hear(const PublishRequest& batch) {
  for (const internal::v1::DeviceChangeEvent& change : batch.changes()) {
    if (!change.has_desired()) continue;
    absl::StatusOr<json::Value> patch = json::Parse(change.desired().patch());
    FLEETCAST_CHECK(patch.ok());
    patch->Remove("$version");
    recorder_.AddFeed({change.device_id(), change.desired().version(), *std::move(patch)});
  }
}

}  // namespace fleetcast::twin_history
