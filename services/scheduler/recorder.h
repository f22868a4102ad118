// Writes outcomes to the store, and tells dispatchers that they may forget them.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "services/scheduler/engine_context.h"

namespace fleetcast::scheduler {

class Recorder {
 public:
  // Told after each batch that is in the database.
  using RecordedCallback =
      std::function<void(std::span<const job_store::Outcome> batch, const job_store::RecordResult& result)>;

  explicit Recorder(EngineContext& context) : context_(context), collector_(context.options.collector) {}
  void SetRecordedCallback(RecordedCallback callback) { on_recorded_ = std::move(callback); }

  // Outcomes, with who reported each.
  void Add(std::vector<job_store::Outcome> outcomes, const std::vector<CallSource>& sources) {
    collector_.Add(std::move(outcomes), sources, context_.now.steady);
  }
  // Starts the transactions that are due.
  void Flush();
  // See OutcomeCollector.
  void Hurry() { collector_.Hurry(); }
  bool is_full() const { return collector_.is_full(); }
  bool idle() const { return collector_.idle(); }
  size_t waiting() const { return collector_.waiting(); }

 private:
  void OnRecorded(OutcomeBatch batch, const absl::StatusOr<job_store::RecordResult>& result);
  void Acknowledge(const OutcomeBatch& batch);

  EngineContext& context_;
  OutcomeCollector collector_;
  RecordedCallback on_recorded_;
};

}  // namespace fleetcast::scheduler
