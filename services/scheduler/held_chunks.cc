#include "services/scheduler/held_chunks.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace fleetcast::scheduler {

using job_store::ActionKind;
using job_store::ChunkKey;
using job_store::ChunkLease;

std::unique_ptr<ChunkRun> HeldChunks::MakeRun(job_store::LeasedChunk chunk, HeldChunk& held) const {
  const EngineOptions& options = context_.options;
  if (const auto* action = std::get_if<job_store::MethodAction>(&chunk.job->spec.action)) {
    MethodChunkOptions method = options.method;
    method.response_timeout = action->response_timeout;
    method.wait_max = action->wait_for_connection ? absl::InfiniteDuration()
                                                  : std::max(action->connect_timeout, options.offline_grace);
    method.begin_waiting = action->wait_for_connection;
    method.permit = options.permit;
    method.dispatchers = options.dispatchers;
    auto run = std::make_unique<MethodChunk>(std::move(chunk), method, context_.now);
    held.method = run.get();
    return run;
  }
  auto run = std::make_unique<TwinChunk>(std::move(chunk), options.twin);
  held.twin = run.get();
  return run;
}

HeldJob& HeldChunks::JobOf(const job_store::Job& job) {
  auto& held = jobs_[job.seq];
  if (held == nullptr) {
    held = std::make_unique<HeldJob>();
    held->seq = job.seq;
    held->id = job.spec.id;
    held->kind = job_store::KindOf(job.spec.action);
  }
  SetPolicy(*held, job);
  return *held;
}

// The newest lease knows the newest policy.
void HeldChunks::SetPolicy(HeldJob& held, const job_store::Job& job) {
  Planner& planner = context_.lane(held.kind).planner();
  planner.SetPriority(held.seq, job.spec.priority);
  if (!job.spec.rollout.is_limited()) {
    held.pacer.reset();
    planner.SetPace(held.seq, std::nullopt);
  } else if (held.pacer.has_value()) {
    held.pacer->SetPolicy(job.spec.rollout, context_.now.steady);
  } else {
    const int unit = held.kind == ActionKind::kUpdateTwin ? kSubBatchTargets : 1;
    held.pacer.emplace(job.spec.rollout, job.counts, unit, context_.now.steady);
  }
}

HeldChunk& HeldChunks::Hold(job_store::LeasedChunk chunk, absl::Duration claimed, bool more_issued) {
  const ChunkKey key = chunk.lease.key;
  HeldJob& job = JobOf(*chunk.job);
  ++job.chunks;  // Before an older holding is dropped, or the job would go with it.
  if (HeldChunk* older = Find(key)) {
    Lose(*older);
    Drop(*older);
  }
  if (job.pacer.has_value()) job.pacer->OnLeased(chunk.in_flight.size(), more_issued);
  auto held = std::make_unique<HeldChunk>(context_.options.lease, claimed);
  held->serial = ++serials_;
  held->job = &job;
  held->span = telemetry::Span("run chunk", {.root = true});
  held->span.SetAttribute("fleetcast.job_id", chunk.job->spec.id);
  held->span.SetAttribute("fleetcast.chunk", key.chunk_no);
  held->run = MakeRun(std::move(chunk), *held);
  HeldChunk& kept = *(chunks_[key] = std::move(held));
  by_serial_[kept.serial] = &kept;
  CountIssued(kept);
  Touch(kept);
  if (kept.method != nullptr) {
    ChunkActions actions;
    kept.method->Begin(actions);
    Act(kept, actions);
  }
  return kept;
}

HeldChunk* HeldChunks::Find(const ChunkKey& key) {
  const auto found = chunks_.find(key);
  return found == chunks_.end() ? nullptr : found->second.get();
}

HeldChunk* HeldChunks::Find(const Holding& holding) {
  HeldChunk* held = Find(holding.lease.key);
  return held != nullptr && held->serial == holding.serial ? held : nullptr;
}

HeldChunk* HeldChunks::FindSerial(int64_t serial) {
  const auto found = by_serial_.find(serial);
  return found == by_serial_.end() ? nullptr : found->second;
}

HeldJob* HeldChunks::FindJob(int64_t job_seq) {
  const auto found = jobs_.find(job_seq);
  return found == jobs_.end() ? nullptr : found->second.get();
}

void HeldChunks::Touch(HeldChunk& held) {
  if (std::exchange(held.touched, true)) return;
  touched_.push_back(held.run->lease().key);
}

void HeldChunks::Act(HeldChunk& held, ChunkActions& actions) {
  Lane& lane = context_.lane(held.job->kind);
  for (const int released : actions.released) lane.Released(released, 1);
  for (const int position : actions.unwatch) watch_.Remove(held.run->device_id(position), {held.serial, position});
  for (const int position : actions.watch) watch_.Add(held.run->device_id(position), {held.serial, position});
  if (!actions.forget.empty()) Forget(held, actions.forget);
  if (!actions.outcomes.empty()) {
    held.unrecorded += static_cast<int>(actions.outcomes.size());
    recorder_.Add(std::move(actions.outcomes), actions.sources);
    if (held.run->unfinished() == 0) recorder_.Hurry();
  }
  actions = {};
  Touch(held);
}

void HeldChunks::Forget(const HeldChunk& held, const std::vector<ChunkActions::Forget>& calls) {
  const int64_t first = int64_t{held.run->lease().key.chunk_no} * job_store::kChunkTargets;
  for (const ChunkActions::Forget& call : calls) {
    const TargetName name{held.job->seq, first + call.position, call.source.attempt};
    context_.effects.Acknowledge(call.source.peer, {&name, 1});
  }
}

void HeldChunks::Lose(HeldChunk& held) {
  if (held.run->lost()) return;
  context_.metrics.leases_lost.Add();
  ChunkActions actions;
  held.run->Lose(actions);
  Act(held, actions);
}

void HeldChunks::Recorded(const ChunkKey& key, int count) {
  HeldChunk* held = Find(key);
  if (held == nullptr) return;
  held->unrecorded = std::max(0, held->unrecorded - count);
  Touch(*held);
}

void HeldChunks::TellPlanner(HeldChunk& held) {
  Planner& planner = context_.lane(held.job->kind).planner();
  HeldJob& job = *held.job;
  const int taken = held.run->in_flight() + held.intending;
  if (taken > held.taken) planner.Took(job.seq, taken - held.taken);
  if (taken < held.taken) planner.Released(job.seq, held.taken - taken);
  held.taken = taken;
  CountIssued(held);
  const int ready = held.run->ready();
  job.ready += ready - held.ready;
  held.ready = ready;
  planner.SetReady(job.seq, job.ready);
  if (ready > 0 && !std::exchange(held.queued, true)) job.ready_chunks.push_back(held.run->lease().key);
}

void HeldChunks::CountIssued(HeldChunk& held) {
  const int issued = held.run->issued() + held.unrecorded;
  held.job->issued += issued - held.issued;
  held.issued = issued;
  const int again = held.run->again();
  held.job->again += again - held.again;
  held.again = again;
}

void HeldChunks::SetPaces() {
  for (const auto& [seq, job] : jobs_) {
    if (!job->pacer.has_value()) continue;
    const int allowed =
        job->is_stopping ? 0 : job->pacer->Allowed(job->ready, job->again, job->issued, context_.now.steady);
    context_.lane(job->kind).planner().SetPace(seq, allowed);
  }
}

bool HeldChunks::HasEnded(const HeldChunk& held) const {
  const ChunkRun& run = *held.run;
  if (held.unrecorded > 0 || held.intending > 0 || run.writing()) return false;
  if (run.lost()) return run.drained();
  if (run.unfinished() == 0) return true;
  return context_.stopping && run.in_flight() == 0 && !run.wants_clear();
}

std::vector<ChunkLease> HeldChunks::Settle() {
  std::vector<ChunkLease> release;
  for (const ChunkKey& key : std::exchange(touched_, {})) {
    HeldChunk* held = Find(key);
    if (held == nullptr || !held->touched) continue;
    held->touched = false;
    TellPlanner(*held);
    if (held->run->wants_clear()) clears_.push_back(key);
    if (held->method != nullptr && held->method->wants_verdict() && !std::exchange(held->judging, true)) {
      unjudged_.push_back(key);
    }
    if (!HasEnded(*held)) continue;
    if (!held->run->lost()) release.push_back(held->run->lease());
    Drop(*held);
  }
  return release;
}

void HeldChunks::Drop(HeldChunk& held) {
  HeldJob& job = *held.job;
  held.span.SetAttribute("fleetcast.unfinished", held.run->unfinished());
  if (job.pacer.has_value()) job.pacer->OnDropped(held.run->issued() + held.unrecorded);
  job.issued -= held.issued;
  job.again -= held.again;
  ChunkActions actions;
  held.run->Abandon(actions);
  Act(held, actions);
  Planner& planner = context_.lane(job.kind).planner();
  planner.Released(job.seq, held.taken);
  job.ready -= held.ready;
  planner.SetReady(job.seq, job.ready);
  by_serial_.erase(held.serial);
  chunks_.erase(held.run->lease().key);
  if (--job.chunks > 0) return;
  planner.Forget(job.seq);
  jobs_.erase(job.seq);
}

void HeldChunks::PutLast(HeldChunk& held) {
  auto& queue = held.job->ready_chunks;
  if (queue.empty() || queue.front() != held.run->lease().key) return;
  queue.push_back(queue.front());
  queue.pop_front();
}

bool HeldChunks::MayIssue(const HeldChunk& held) const {
  return held.trust.IsTrusted(context_.now.steady) &&
         context_.now.wall < held.run->job().deadline().value_or(absl::InfiniteFuture());
}

HeldChunk* HeldChunks::NextReady(int64_t job_seq) {
  const auto found = jobs_.find(job_seq);
  if (found == jobs_.end()) return nullptr;
  auto& queue = found->second->ready_chunks;
  while (!queue.empty()) {
    HeldChunk* held = Find(queue.front());
    const bool usable = held != nullptr && held->run->ready() > 0 && MayIssue(*held);
    if (usable) return held;
    queue.pop_front();
    if (held != nullptr) held->queued = false;
  }
  return nullptr;
}

}  // namespace fleetcast::scheduler
