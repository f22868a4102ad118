// Publishes the outbox to every replica of device_connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/telemetry/metrics.h"
#include "services/twin/store/feed_store.h"
#include "services/twin/store/slice_store.h"

namespace fleetcast::twin {

struct ChangeFeedOptions {
  std::vector<std::string> consumers;  // Addresses of device_connection replicas, host:port.
  absl::Duration outbox_retention = absl::Hours(1);
  absl::Duration slice_retention = absl::Hours(24 * 31);
};

// One stream and one thread per consumer, and a thread that trims. Of all twin replicas the one that holds a consumer's
// lease publishes to it. What was sent and not acknowledged when a stream or a process ends is sent again: consumers
// compare versions. Thread-safe.
class ChangeFeed {
 public:
  // INVALID_ARGUMENT for a malformed address.
  static absl::StatusOr<std::unique_ptr<ChangeFeed>> Make(const ChangeFeedOptions& options, FeedStore& store,
                                                          SliceStore& slices, Clock& clock,
                                                          telemetry::Metrics& metrics);
  ~ChangeFeed();

  // Begins to connect and publish. Once.
  void Start();

  // Something was committed: look now instead of at the next poll. Cheap; never blocks.
  void Wake();

  // Ends streams and threads. Repeating it does nothing.
  void Stop();

 private:
  class Publisher;

  ChangeFeed(const ChangeFeedOptions& options, FeedStore& store, SliceStore& slices, Clock& clock);
  void TrimLoop(std::stop_token stop);

  const ChangeFeedOptions options_;
  FeedStore& store_;
  SliceStore& slices_;
  Clock& clock_;
  std::vector<std::unique_ptr<Publisher>> publishers_;
  std::jthread trimmer_;
};

}  // namespace fleetcast::twin
