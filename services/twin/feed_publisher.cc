#include "services/twin/feed_publisher.h"

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/telemetry/log.h"
#include "services/twin/feed_batch.h"

namespace fleetcast::twin {

namespace pb = ::fleetcast::internal::v1;

namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(50);  // Changes of other replicas are seen at least this often.
constexpr absl::Duration kLease = absl::Seconds(10);
constexpr absl::Duration kLeaseMargin = absl::Seconds(6);  // Renewed when less is left.
constexpr absl::Duration kStoreLimit = absl::Seconds(5);   // Of one statement.
constexpr absl::Duration kAckLimit = absl::Seconds(10);    // A consumer that is slower loses its stream.
constexpr int kFeedRowsPerRead = 200;

}  // namespace

absl::StatusOr<std::unique_ptr<ChangeFeed::Publisher>> ChangeFeed::Publisher::Make(const std::string& consumer,
                                                                                   const std::string& owner,
                                                                                   FeedStore& store, Clock& clock,
                                                                                   telemetry::Counter published) {
  FLEETCAST_ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelInterface> channel,
                             rpc::MakeChannel(consumer, {.own_connection = true}));
  return std::unique_ptr<Publisher>(new Publisher(consumer, owner, std::move(channel), store, clock, published));
}

ChangeFeed::Publisher::Publisher(const std::string& consumer, const std::string& owner,
                                 std::shared_ptr<grpc::ChannelInterface> channel, FeedStore& store, Clock& clock,
                                 telemetry::Counter published)
    : consumer_(consumer),
      owner_(owner),
      stub_(pb::DeviceFeedService::NewStub(channel)),
      store_(store),
      clock_(clock),
      published_(published),
      leased_until_(-absl::InfiniteDuration()) {
  stream_ = std::make_unique<Stream>(
      rpc::ClientStreamOptions{.peer = consumer},
      [this](grpc::ClientContext* context, auto* reactor) { stub_->async()->Publish(context, reactor); },
      Stream::Callbacks{.on_connected =
                            [this] {
                              MutexLock lock(mutex_);
                              is_connected_ = true;
                              sent_batch_ = acknowledged_ = 0;
                              changed_.notify_all();
                            },
                        .on_message =
                            [this](pb::PublishResponse&& response) {
                              MutexLock lock(mutex_);
                              acknowledged_ = std::max<uint64_t>(acknowledged_, response.acknowledged_batch());
                              changed_.notify_all();
                            },
                        .on_disconnected =
                            [this](const absl::Status&) {
                              MutexLock lock(mutex_);
                              is_connected_ = false;
                              changed_.notify_all();
                            }});
}

void ChangeFeed::Publisher::Start() {
  stream_->Start();
  thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
}

void ChangeFeed::Publisher::Wake() {
  MutexLock lock(mutex_);
  is_woken_ = true;
  changed_.notify_all();
}

void ChangeFeed::Publisher::Stop() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  stream_->Shutdown(absl::Seconds(1));
}

void ChangeFeed::Publisher::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    if (!PublishOnce(stop)) WaitForWork(stop);
  }
}

void ChangeFeed::Publisher::WaitForWork(std::stop_token stop) {
  std::unique_lock<Mutex> lock(mutex_);
  changed_.wait_for(lock, stop, absl::ToChronoNanoseconds(kPoll), [this] { return is_woken_; });
  is_woken_ = false;
}

bool ChangeFeed::Publisher::PublishOnce(std::stop_token stop) {
  {
    MutexLock lock(mutex_);
    if (!is_connected_) return false;
  }
  if (!HoldLease()) return false;
  const absl::StatusOr<std::string> snapshot = store_.Snapshot(absl::Now() + kStoreLimit);
  if (!snapshot.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "change feed cannot read", {{"error", snapshot.status()}});
    return false;
  }
  return *snapshot != position_ && PublishWindow(stop, {position_, *snapshot});
}

bool ChangeFeed::Publisher::HoldLease() {
  if (clock_.Monotonic() < leased_until_ - kLeaseMargin) return true;
  const absl::Duration asked = clock_.Monotonic();
  const bool was_mine = asked < leased_until_;
  const absl::StatusOr<std::optional<std::string>> position =
      store_.Lease(absl::Now() + kStoreLimit, consumer_, owner_, kLease);
  if (!position.ok() || !position->has_value()) return false;
  leased_until_ = asked + kLease;
  // While the lease was held all along, what was published but not stored is known here only.
  if (!was_mine) position_ = **position;
  return true;
}

bool ChangeFeed::Publisher::PublishWindow(std::stop_token stop, const FeedWindow& window) {
  int64_t after = 0;
  bool is_any = false;
  while (!stop.stop_requested()) {
    if (!HoldLease()) return false;
    const absl::StatusOr<std::vector<FeedRow>> rows =
        store_.Read(absl::Now() + kStoreLimit, window, after, kFeedRowsPerRead);
    if (!rows.ok()) return false;
    if (!rows->empty()) {
      is_any = true;
      after = rows->back().seq;
      if (!SendAndAwait(stop, FeedBatches(*rows))) return false;
    }
    if (rows->size() < static_cast<size_t>(kFeedRowsPerRead)) break;
  }
  if (stop.stop_requested()) return false;
  position_ = window.to;
  if (!is_any) return false;  // Nothing to store: an empty window may be read again.
  const absl::StatusOr<bool> is_stored = store_.Advance(absl::Now() + kStoreLimit, consumer_, owner_, window.to);
  if (!is_stored.ok() || !*is_stored) leased_until_ = -absl::InfiniteDuration();
  return true;
}

bool ChangeFeed::Publisher::SendAndAwait(std::stop_token stop, std::vector<pb::PublishRequest> batches) {
  for (pb::PublishRequest& batch : batches) {
    const int events = batch.changes_size();
    uint64_t number = 0;
    {
      MutexLock lock(mutex_);
      if (!is_connected_) return false;
      number = ++sent_batch_;
    }
    batch.set_batch(number);
    if (!stream_->TrySend(std::move(batch))) return false;
    std::unique_lock<Mutex> lock(mutex_);
    changed_.wait_for(lock, stop, absl::ToChronoNanoseconds(kAckLimit),
                      [&] { return !is_connected_ || acknowledged_ >= number; });
    if (!is_connected_) return false;
    if (acknowledged_ < number) {
      lock.unlock();
      if (!stop.stop_requested()) stream_->Reset();
      return false;
    }
    published_.Add(events);
  }
  return true;
}

}  // namespace fleetcast::twin
