#include "services/scheduler/outcome_collector.h"

#include <algorithm>
#include <utility>

namespace fleetcast::scheduler {

void OutcomeCollector::Add(std::vector<job_store::Outcome> outcomes, const std::vector<CallSource>& sources,
                           absl::Duration now) {
  if (outcomes.empty()) return;
  if (waiting_.empty()) oldest_ = now;
  for (size_t i = 0; i < outcomes.size(); ++i) waiting_.push_back({std::move(outcomes[i]), sources[i]});
}

absl::Duration OutcomeCollector::next_take() const {
  if (waiting_.empty() || writes_ >= options_.writes_max) return absl::InfiniteDuration();
  if (hurry_ || waiting_.size() >= options_.gather_count) return not_before_;
  return std::max(not_before_, oldest_ + options_.gather);
}

OutcomeBatch OutcomeCollector::Take(absl::Duration now) {
  OutcomeBatch batch;
  if (now < next_take()) return batch;
  size_t bytes = 0;
  while (!waiting_.empty() && batch.outcomes.size() < options_.batch_count_max) {
    bytes += waiting_.front().outcome.payload.size();
    if (!batch.outcomes.empty() && bytes > options_.batch_bytes_max) break;
    batch.outcomes.push_back(std::move(waiting_.front().outcome));
    batch.sources.push_back(waiting_.front().source);
    waiting_.pop_front();
  }
  if (batch.outcomes.empty()) return batch;
  oldest_ = now;
  if (waiting_.empty()) hurry_ = false;
  ++writes_;
  return batch;
}

void OutcomeCollector::Failed(OutcomeBatch batch, absl::Duration now) {
  --writes_;
  for (size_t i = batch.outcomes.size(); i-- > 0;) {
    waiting_.push_front({std::move(batch.outcomes[i]), batch.sources[i]});
  }
  not_before_ = now + options_.retry_after;
}

}  // namespace fleetcast::scheduler
