// Publishing to one consumer. Internal to change_feed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "fleetcast/internal/v1/device_feed.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/rpc/client_stream.h"
#include "libs/telemetry/metrics.h"
#include "services/twin/change_feed.h"

namespace fleetcast::twin {

// Waits for its stream and its lease, then hands over window after window, each acknowledged before the next.
class ChangeFeed::Publisher {
 public:
  // `owner` names this process among the replicas; `published` counts events.
  static absl::StatusOr<std::unique_ptr<Publisher>> Make(const std::string& consumer, const std::string& owner,
                                                         FeedStore& store, Clock& clock, telemetry::Counter published);
  ~Publisher() { Stop(); }

  void Start();
  void Wake() EXCLUDES(mutex_);
  void Stop();

 private:
  using Stream = rpc::BidiClientStream<internal::v1::PublishRequest, internal::v1::PublishResponse>;

  Publisher(const std::string& consumer, const std::string& owner, std::shared_ptr<grpc::ChannelInterface> channel,
            FeedStore& store, Clock& clock, telemetry::Counter published);

  void Run(std::stop_token stop);
  // One look at the outbox. False when there was nothing to do or it could not be done now.
  bool PublishOnce(std::stop_token stop);
  // Makes sure that the lease holds for a while and position_ is known.
  bool HoldLease();
  // Hands over one window. False when the stream broke: the window is published again later.
  bool PublishWindow(std::stop_token stop, const FeedWindow& window);
  bool SendAndAwait(std::stop_token stop, std::vector<internal::v1::PublishRequest> batches) EXCLUDES(mutex_);
  void WaitForWork(std::stop_token stop) EXCLUDES(mutex_);

  const std::string consumer_;
  const std::string owner_;
  const std::unique_ptr<internal::v1::DeviceFeedService::Stub> stub_;
  FeedStore& store_;
  Clock& clock_;
  const telemetry::Counter published_;

  Mutex mutex_;
  CondVar changed_;
  bool is_connected_ GUARDED_BY(mutex_) = false;
  bool is_woken_ GUARDED_BY(mutex_) = false;
  uint64_t sent_batch_ GUARDED_BY(mutex_) = 0;  // The last one of this stream.
  uint64_t acknowledged_ GUARDED_BY(mutex_) = 0;

  // Of the thread only.
  std::string position_;         // The snapshot of which everything is published.
  absl::Duration leased_until_;  // Monotonic.

  std::unique_ptr<Stream> stream_;
  std::jthread thread_;
};

}  // namespace fleetcast::twin
