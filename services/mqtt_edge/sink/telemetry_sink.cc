#include "services/mqtt_edge/sink/telemetry_sink.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/telemetry/log.h"
#include "services/mqtt_edge/connection/session_id.h"
#include "services/mqtt_edge/sink/stream_entry.h"

namespace fleetcast::mqtt_edge {

TelemetrySink::TelemetrySink(std::unique_ptr<redis::Runner> redis, Options options, OnDelivered on_delivered,
                             const EdgeMetrics& metrics, Clock& clock)
    : redis_(std::move(redis)),
      options_(std::move(options)),
      on_delivered_(std::move(on_delivered)),
      metrics_(metrics),
      clock_(clock) {}

TelemetrySink::~TelemetrySink() { Shutdown(absl::ZeroDuration()); }

void TelemetrySink::Start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

void TelemetrySink::Submit(std::vector<TelemetryRecord> records) {
  {
    MutexLock lock(mutex_);
    for (TelemetryRecord& record : records) queue_.push_back(std::move(record));
  }
  submitted_.notify_one();
}

void TelemetrySink::Shutdown(absl::Duration limit) {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    give_up_at_ = clock_.Monotonic() + limit;
  }
  thread_.request_stop();
  thread_.join();
}

void TelemetrySink::Run(const std::stop_token& stop) {
  while (true) {
    const Batch batch = TakeBatch(stop);
    if (batch.empty()) return;
    if (!Deliver(batch, stop)) return DropAll(batch);
    Report(batch);
  }
}

TelemetrySink::Batch TelemetrySink::TakeBatch(const std::stop_token& stop) {
  Batch batch;
  size_t bytes = 0;
  std::unique_lock<Mutex> lock(mutex_);
  submitted_.wait(lock, stop, [this] { return !queue_.empty(); });
  while (!queue_.empty() && batch.size() < kBatchMessagesMax && bytes < kBatchBytesMax) {
    bytes += queue_.front().bytes();
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

bool TelemetrySink::Deliver(const Batch& batch, const std::stop_token& stop) {
  const redis::Pipeline pipeline = ToPipeline(batch);
  while (true) {
    const absl::Status status = Try(pipeline);
    Note(status);
    if (status.ok()) return true;
    metrics_.telemetry_failures.Add();
    if (stop.stop_requested()) {
      MutexLock lock(mutex_);
      if (clock_.Monotonic() >= give_up_at_) return false;
    }
    clock_.Sleep(kRetryAfter, stop.stop_requested() ? std::stop_token() : stop);
  }
}

// Before the first batch, and after a failure, an empty transaction goes first: entries that were written by a user who
// may not open one would be written again with every try.
absl::Status TelemetrySink::Try(const redis::Pipeline& pipeline) {
  if (!is_taken_.value_or(false)) {
    redis::Pipeline probe;
    probe.Add({"MULTI"});
    probe.Add({"EXEC"});
    const absl::Status status = redis_->Run(probe, kAnswerTimeout).status();
    if (!status.ok()) return status;
  }
  return redis_->Run(pipeline, kAnswerTimeout).status();
}

// A transaction: a batch that Redis refuses in the middle (no memory, the key is no stream) has left nothing behind, so
// that sending it again brings neither a gap nor another order.
redis::Pipeline TelemetrySink::ToPipeline(const Batch& batch) const {
  redis::Pipeline pipeline;
  pipeline.Add({"MULTI"});
  for (const TelemetryRecord& record : batch) {
    std::vector<std::string> command = {"XADD", options_.stream};
    if (options_.stream_entries_max > 0) {
      command.insert(command.end(), {"MAXLEN", "~", absl::StrCat(options_.stream_entries_max)});
    }
    command.emplace_back("*");
    for (std::string& text : StreamFields(record)) command.push_back(std::move(text));
    pipeline.Add(std::move(command));
  }
  pipeline.Add({"EXEC"});
  return pipeline;
}

void TelemetrySink::Note(const absl::Status& status) {
  if (is_taken_ == status.ok()) return;
  is_taken_ = status.ok();
  if (status.ok()) {
    FLEETCAST_LOG(kInfo, "Redis takes telemetry", {{"stream", options_.stream}});
  } else {
    FLEETCAST_LOG(kWarning, "Redis does not take telemetry: it waits",
                  {{"stream", options_.stream}, {"error", status}});
  }
}

void TelemetrySink::Report(const Batch& batch) {
  metrics_.telemetry_delivered.Add(static_cast<double>(batch.size()));
  metrics_.telemetry_seconds.Observe(absl::ToDoubleSeconds(clock_.Monotonic() - batch.front().received));
  std::map<int, TelemetryDelivery> deliveries;
  for (const TelemetryRecord& record : batch) {
    TelemetryDelivery& delivery = deliveries[LoopOf(record.session)];
    ++delivery.messages;
    delivery.bytes += record.bytes();
    if (!record.waits) continue;
    const bool is_same = !delivery.waiting.empty() && delivery.waiting.back().first == record.session;
    if (!is_same) delivery.waiting.emplace_back(record.session, 0);
    ++delivery.waiting.back().second;
  }
  for (auto& [loop, delivery] : deliveries) on_delivered_(loop, std::move(delivery));
}

void TelemetrySink::DropAll(const Batch& batch) {
  MutexLock lock(mutex_);
  const size_t messages = batch.size() + queue_.size();
  metrics_.dropped[static_cast<int>(Dropped::kTelemetryOverflow)].Add(static_cast<double>(messages));
  FLEETCAST_LOG(kWarning, "telemetry is dropped: Redis does not take it and the process ends",
                {{"messages", static_cast<uint64_t>(messages)}});
  queue_.clear();
}

}  // namespace fleetcast::mqtt_edge
