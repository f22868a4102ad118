#include "services/scheduler/recorder.h"

#include <utility>

#include "libs/telemetry/log.h"
#include "services/scheduler/store_retry.h"

namespace fleetcast::scheduler {
void Recorder::Flush() {
  for (;;) {
    OutcomeBatch batch = collector_.Take(context_.now.steady);
    if (batch.outcomes.empty()) return;
    context_.metrics.record_batch.Observe(static_cast<double>(batch.outcomes.size()));
    auto shared = std::make_shared<OutcomeBatch>(std::move(batch));
    context_.CallStore([shared](job_store::JobStore& store,
                                absl::Time deadline) { return store.RecordOutcomes(deadline, shared->outcomes); },
                       [this, shared](const absl::StatusOr<job_store::RecordResult>& result) {
                         OnRecorded(std::move(*shared), result);
                       });
  }
}

void Recorder::OnRecorded(OutcomeBatch batch, const absl::StatusOr<job_store::RecordResult>& result) {
  if (!result.ok()) {
    context_.metrics.store_failures.With({"record"}).Add();
    FLEETCAST_LOG_EVERY(kWarning, kLogEvery, "outcomes not recorded yet, trying again",
                        {{"error", result.status()}, {"outcomes", batch.outcomes.size()}});
    collector_.Failed(std::move(batch), context_.now.steady);
    return;
  }
  collector_.Recorded();
  if (result->refused > 0) {
    FLEETCAST_LOG_EVERY(kInfo, kLogEvery, "outcomes came too late", {{"outcomes", result->refused}});
  }
  Acknowledge(batch);
  on_recorded_(batch.outcomes, *result);
}

void Recorder::Acknowledge(const OutcomeBatch& batch) {
  std::vector<std::vector<TargetName>> names(static_cast<size_t>(context_.methods.peer_count()));
  for (size_t i = 0; i < batch.outcomes.size(); ++i) {
    const CallSource& source = batch.sources[i];
    if (source.peer == kNoPeer) continue;
    const job_store::Outcome& outcome = batch.outcomes[i];
    const int64_t target = int64_t{outcome.lease.key.chunk_no} * job_store::kChunkTargets + outcome.position;
    names[static_cast<size_t>(source.peer)].push_back({outcome.lease.key.job_seq, target, source.attempt});
  }
  for (int peer = 0; peer < context_.methods.peer_count(); ++peer) {
    const auto& of_peer = names[static_cast<size_t>(peer)];
    if (!of_peer.empty()) context_.effects.Acknowledge(peer, of_peer);
  }
}

}  // namespace fleetcast::scheduler
