#include "services/job_api/watch_stream.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/server_stream.h"
#include "services/job_api/job_proto.h"
#include "services/job_api/proto_time.h"

namespace fleetcast::job_api {
namespace {

constexpr absl::Duration kWatchReadLimit = absl::Seconds(5);
// A slow watcher gets what it has missed in one message: there is no point in keeping many for it.
constexpr rpc::OutboxLimits kWatchOutbox = {.messages_max = 2, .bytes_max = size_t{4} << 20};

class StreamWatcher final : public Watcher {
 public:
  using Stream = rpc::ServerStream<jobs::v1::WatchJobResponse>;
  explicit StreamWatcher(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}

  Answer OnMessage(const jobs::v1::WatchJobResponse& message) override {
    if (is_gone()) return Answer::kGone;
    return stream_->TrySend(message) ? Answer::kTaken : Answer::kBusy;
  }
  bool is_gone() const override { return stream_->stop_token().stop_requested(); }
  void OnEnd(const absl::Status& status) override { stream_->Close(status); }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

WatchHub::ReadJob NewJobReader(job_store::JobStore& store) {
  return [&store](const std::string& job_id) -> absl::StatusOr<jobs::v1::Job> {
    FLEETCAST_ASSIGN_OR_RETURN(const job_store::Job job, store.GetJob(absl::Now() + kWatchReadLimit, job_id));
    jobs::v1::Job message;
    ToProto(job, &message);
    return message;
  };
}

grpc::ServerWriteReactor<jobs::v1::WatchJobResponse>* StartWatch(WatchHub& hub, grpc::CallbackServerContext* context,
                                                                 const jobs::v1::WatchJobRequest& request) {
  auto stream = StreamWatcher::Stream::Create(kWatchOutbox);
  auto* reactor = stream->Start(context);
  absl::Duration interval = request.has_min_interval() ? FromProto(request.min_interval()) : kWatchIntervalMin;
  interval = std::clamp(interval, kWatchIntervalMin, kWatchIntervalMax);
  const absl::Status watching = hub.Watch({.job_id = request.job_id(),
                                           .interval = interval,
                                           .resume_token = request.resume_token(),
                                           .watcher = std::make_shared<StreamWatcher>(stream)});
  if (!watching.ok()) stream->Close(watching);
  return reactor;
}

}  // namespace fleetcast::job_api
