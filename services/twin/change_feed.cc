#include "services/twin/change_feed.h"

#include <utility>

#include "absl/time/clock.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/telemetry/log.h"
#include "services/twin/feed_publisher.h"

namespace fleetcast::twin {
namespace {

constexpr absl::Duration kTrimInterval = absl::Seconds(10);
constexpr absl::Duration kTrimLimit = absl::Seconds(5);

}  // namespace

absl::StatusOr<std::unique_ptr<ChangeFeed>> ChangeFeed::Make(const ChangeFeedOptions& options, FeedStore& store,
                                                             SliceStore& slices, Clock& clock,
                                                             telemetry::Metrics& metrics) {
  auto feed = std::unique_ptr<ChangeFeed>(new ChangeFeed(options, store, slices, clock));
  const telemetry::Counter published =
      metrics.NewCounter("fleetcast_twin_events_published_total", "Changes that a device_connection has acknowledged");
  const std::string owner = RandomId();
  for (const std::string& consumer : options.consumers) {
    FLEETCAST_ASSIGN_OR_RETURN(std::unique_ptr<Publisher> publisher,
                               Publisher::Make(consumer, owner, store, clock, published));
    feed->publishers_.push_back(std::move(publisher));
  }
  return feed;
}

ChangeFeed::ChangeFeed(const ChangeFeedOptions& options, FeedStore& store, SliceStore& slices, Clock& clock)
    : options_(options), store_(store), slices_(slices), clock_(clock) {}

ChangeFeed::~ChangeFeed() { Stop(); }

void ChangeFeed::Start() {
  for (const std::unique_ptr<Publisher>& publisher : publishers_) publisher->Start();
  trimmer_ = std::jthread([this](std::stop_token stop) { TrimLoop(stop); });
}

void ChangeFeed::Wake() {
  for (const std::unique_ptr<Publisher>& publisher : publishers_) publisher->Wake();
}

void ChangeFeed::Stop() {
  for (const std::unique_ptr<Publisher>& publisher : publishers_) publisher->Stop();
  if (!trimmer_.joinable()) return;
  trimmer_.request_stop();
  trimmer_.join();
}

void ChangeFeed::TrimLoop(std::stop_token stop) {
  while (clock_.Sleep(kTrimInterval, stop)) {
    const absl::StatusOr<int64_t> rows =
        store_.Trim(absl::Now() + kTrimLimit, options_.consumers, options_.outbox_retention);
    const absl::StatusOr<int64_t> slices = slices_.Trim(absl::Now() + kTrimLimit, options_.slice_retention);
    for (const absl::Status& status : {rows.status(), slices.status()}) {
      if (!status.ok()) FLEETCAST_LOG_EVERY(kWarning, absl::Minutes(1), "trimming failed", {{"error", status}});
    }
  }
}

}  // namespace fleetcast::twin
