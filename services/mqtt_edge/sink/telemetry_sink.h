// Telemetry into a Redis stream: one thread that sends what the loops hand over, in batches, until Redis has it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/redis/runner.h"
#include "services/mqtt_edge/edge_metrics.h"
#include "services/mqtt_edge/sink/telemetry_outbox.h"
#include "services/mqtt_edge/sink/telemetry_record.h"

namespace fleetcast::mqtt_edge {

// At least once, and in the order of Submit: a batch is one transaction of Redis, and the next one is sent when Redis
// has answered it; a batch whose answer is lost is sent again. Bounded by the outboxes of the loops, which take nothing
// more when too much waits. Thread-safe.
class TelemetrySink {
 public:
  struct Options {
    std::string stream;
    int64_t stream_entries_max = 0;  // The stream is cut to about as many; 0 = never.
  };
  // Called on the sink's thread for each loop that has records in a delivered batch. Must not block.
  using OnDelivered = std::function<void(int loop, TelemetryDelivery delivery)>;

  static constexpr size_t kBatchMessagesMax = 500;
  static constexpr size_t kBatchBytesMax = 1 << 20;  // More or less: a batch has one message at least.
  static constexpr absl::Duration kAnswerTimeout = absl::Seconds(5);
  static constexpr absl::Duration kRetryAfter = absl::Milliseconds(100);

  // `metrics` and `clock` outlive the sink.
  TelemetrySink(std::unique_ptr<redis::Runner> redis, Options options, OnDelivered on_delivered,
                const EdgeMetrics& metrics, Clock& clock);
  // Shutdown without time.
  ~TelemetrySink();

  void Start();

  // Never blocks.
  void Submit(std::vector<TelemetryRecord> records) EXCLUDES(mutex_);

  // Goes on delivering for at most `limit`, and as long as an attempt takes; what is left then is dropped, counted and
  // logged. Nobody is called afterwards.
  void Shutdown(absl::Duration limit) EXCLUDES(mutex_);

 private:
  using Batch = std::vector<TelemetryRecord>;

  void Run(const std::stop_token& stop);
  // Waits for something to send. Empty when the sink ends and nothing is left.
  Batch TakeBatch(const std::stop_token& stop) EXCLUDES(mutex_);
  // Tries until Redis has it. False when the sink ended before.
  bool Deliver(const Batch& batch, const std::stop_token& stop);
  absl::Status Try(const redis::Pipeline& pipeline);
  redis::Pipeline ToPipeline(const Batch& batch) const;
  // Says so when Redis begins to take batches, and when it stops.
  void Note(const absl::Status& status);
  void Report(const Batch& batch);
  void DropAll(const Batch& batch) EXCLUDES(mutex_);

  const std::unique_ptr<redis::Runner> redis_;
  const Options options_;
  const OnDelivered on_delivered_;
  const EdgeMetrics& metrics_;
  Clock& clock_;
  std::optional<bool> is_taken_;  // Whether Redis took the last one. Of the thread.

  Mutex mutex_;
  CondVar submitted_;
  std::deque<TelemetryRecord> queue_ GUARDED_BY(mutex_);
  absl::Duration give_up_at_ GUARDED_BY(mutex_);  // Monotonic, once the thread is to stop.
  std::jthread thread_;                           // Last: uses all above.
};

}  // namespace fleetcast::mqtt_edge
