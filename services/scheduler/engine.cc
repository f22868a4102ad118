#include "services/scheduler/engine.h"

#include <algorithm>
#include <map>
#include <utility>

#include "libs/telemetry/log.h"

namespace fleetcast::scheduler {
namespace {

using job_store::ChunkKey;
using job_store::kChunkTargets;

// The chunk of a target; nullopt for numbers that cannot be.
ChunkKey ChunkOf(const TargetName& name) {
  return {name.job_seq, static_cast<int32_t>(std::clamp<int64_t>(name.target / kChunkTargets, 0, INT32_MAX))};
}

int PositionOf(const TargetName& name) { return static_cast<int>(name.target % kChunkTargets); }

}  // namespace

Engine::Engine(const EngineOptions& options, job_store::JobStore& store, StoreExecutor& executor, Effects& effects,
               Clock& clock, SchedulerMetrics& metrics)
    : context_(options, store, executor, effects, clock, metrics),
      recorder_(context_),
      watch_(context_),
      chunks_(context_, recorder_, watch_),
      issuer_(context_, chunks_, recorder_),
      leases_(context_, chunks_),
      checker_(context_, chunks_),
      next_scan_(context_.now.steady) {
  recorder_.SetRecordedCallback([this](std::span<const job_store::Outcome> batch,
                                       const job_store::RecordResult& result) { OnRecorded(batch, result); });
}

void Engine::OnDispatcherUp(int dispatcher, absl::Time boot) {
  context_.ReadClock();
  context_.methods.Up(dispatcher, boot, /*credit=*/0);
  watch_.OnDispatcherUp();
  chunks_.ForEach([&](HeldChunk& held) { AskAbout(held, dispatcher); });
}

void Engine::OnDispatcherDown(int dispatcher) {
  context_.ReadClock();
  context_.methods.Down(dispatcher);
  watch_.OnDispatcherDown(dispatcher);
  chunks_.ForEach([&](HeldChunk& held) {
    if (held.method == nullptr) return;
    held.method->OnPeerDown(dispatcher, context_.now);
    chunks_.Touch(held);
  });
}

void Engine::OnCredit(int dispatcher, int64_t credit) { context_.methods.SetCredit(dispatcher, credit); }

void Engine::OnCallEvents(int dispatcher, std::span<CallEvent> events) {
  context_.ReadClock();
  ChunkActions actions;
  HeldChunk* held = nullptr;
  int in_flight = 0;
  // Events of one message mostly belong to one chunk: act once per run of them.
  const auto act = [&] {
    if (held == nullptr) return;
    const int adopted = held->run->in_flight() + static_cast<int>(actions.released.size()) - in_flight;
    if (adopted > 0) context_.methods.Took(dispatcher, adopted);
    chunks_.Act(*held, actions);
  };
  for (CallEvent& event : events) {
    const TargetName name{event.job_seq, event.target};
    const ChunkKey key = ChunkOf(name);
    if (held == nullptr || held->run->lease().key != key) {
      act();
      held = chunks_.Find(key);
      in_flight = held == nullptr ? 0 : held->run->in_flight();
    }
    if (held == nullptr || held->method == nullptr || PositionOf(name) >= held->run->target_count()) {
      OnOrphan(dispatcher, event);
    } else {
      held->method->OnEvent(PositionOf(name), dispatcher, event, context_.now, actions);
    }
  }
  act();
}

// We do not hold the chunk (any more), but the end of a call is the truth: the store takes it from everybody.
void Engine::OnOrphan(int dispatcher, CallEvent& event) {
  context_.metrics.unmatched_events.Add();
  const bool ended = event.kind == CallEvent::Kind::kAnswer || event.kind == CallEvent::Kind::kUnknown;
  if (!ended || event.target < 0) return;
  const TargetName name{event.job_seq, event.target};
  const OutcomeTarget target{.lease = {ChunkOf(name), 0}, .position = PositionOf(name), .issued = context_.now.wall};
  std::vector<job_store::Outcome> outcomes;
  outcomes.push_back(event.kind == CallEvent::Kind::kAnswer
                         ? OutcomeOfAnswer(target, event, context_.now.wall)
                         : OutcomeOfUnknown(target, event.unknown, context_.now.wall));
  recorder_.Add(std::move(outcomes), {CallSource{dispatcher, event.attempt}});
}

void Engine::OnKnowledge(int dispatcher, std::span<const TargetKnowledge> answers) {
  context_.ReadClock();
  const absl::Time boot = context_.methods.peer(dispatcher).boot;
  for (const TargetKnowledge& answer : answers) {
    HeldChunk* held = chunks_.Find(ChunkOf(answer.name));
    if (held == nullptr || held->method == nullptr || PositionOf(answer.name) >= held->run->target_count()) continue;
    if (held->method->attempt(PositionOf(answer.name)) != answer.name.attempt) continue;
    ChunkActions actions;
    const int before = held->run->in_flight();
    held->method->OnKnowledge(PositionOf(answer.name), dispatcher, answer.knowledge, boot, context_.now, actions);
    if (held->run->in_flight() > before) context_.methods.Took(dispatcher, 1);
    chunks_.Act(*held, actions);
  }
}

void Engine::OnDevicesReady(std::span<const std::string> device_ids) {
  context_.ReadClock();
  for (const std::string& device_id : device_ids) {
    for (const WaitingTarget& target : watch_.TakeReady(device_id)) {
      HeldChunk* held = chunks_.FindSerial(target.holding);
      if (held == nullptr || held->method == nullptr) continue;
      held->method->OnDeviceReady(target.position);
      chunks_.Touch(*held);
    }
  }
}

void Engine::OnWatchRefused(std::span<const std::string> device_ids) {
  context_.ReadClock();
  watch_.OnRefused(device_ids);
}

void Engine::OnWriterUp(int writer) {
  context_.twins.Up(writer, context_.now.wall, context_.options.twin_in_flight_max);
}

void Engine::OnWriterDown(int writer) {
  context_.ReadClock();
  context_.twins.Down(writer);
  chunks_.ForEach([&](HeldChunk& held) {
    if (held.twin == nullptr) return;
    held.twin->OnPeerDown(writer, context_.now);
    chunks_.Touch(held);
  });
}

void Engine::OnSliceResults(std::span<const SliceResult> results) {
  context_.ReadClock();
  for (const SliceResult& result : results) {
    HeldChunk* held = chunks_.Find(result.chunk);
    if (held == nullptr || held->twin == nullptr) continue;  // Whoever holds it repeats the slice and gets the result.
    ChunkActions actions;
    held->twin->OnResult(result, context_.now, actions);
    chunks_.Act(*held, actions);
  }
}

void Engine::OnRecorded(std::span<const job_store::Outcome> batch, const job_store::RecordResult& result) {
  std::map<ChunkKey, int> per_chunk;
  std::map<std::pair<int64_t, ExecutionState>, int> per_state;
  for (const job_store::Outcome& outcome : batch) {
    ++per_chunk[outcome.lease.key];
    ++per_state[{outcome.lease.key.job_seq, outcome.state}];
    HeldJob* job = chunks_.FindJob(outcome.lease.key.job_seq);
    if (job == nullptr || !job->pacer.has_value()) continue;
    job->pacer->Ended(outcome.state, outcome.device_status.value_or(0) >= job_store::kDeviceErrorStatus);
  }
  for (const auto& [job_and_state, count] : per_state) {
    const HeldJob* job = chunks_.FindJob(job_and_state.first);
    const auto kind = job == nullptr ? job_store::ActionKind::kInvokeMethod : job->kind;
    context_.metrics.CountOutcomes(kind, job_and_state.second, count);
  }
  for (const auto& [key, count] : per_chunk) chunks_.Recorded(key, count);
  if (!result.closed_chunks.empty()) leases_.LookSoon();
  for (const std::string& job_id : result.ended_jobs) FLEETCAST_LOG(kInfo, "job ended", {{"job_id", job_id}});
}

void Engine::AskAbout(HeldChunk& held, int dispatcher) {
  if (held.method == nullptr || !context_.methods.peer(dispatcher).up) return;
  const int64_t first = int64_t{held.run->lease().key.chunk_no} * kChunkTargets;
  const std::vector<int> questions = held.method->TakeQuestions(dispatcher, context_.now);
  if (questions.empty()) return;
  std::vector<TargetName> names;
  names.reserve(questions.size());
  for (const int position : questions) {
    names.push_back({held.job->seq, first + position, held.method->attempt(position)});
  }
  context_.metrics.inquiries.Add(static_cast<double>(names.size()));
  if (!context_.effects.Ask(dispatcher, names)) {
    held.method->PutBackQuestions(dispatcher, questions, context_.now);
  }
}

void Engine::TickChunks() {
  if (context_.now.steady < next_scan_) return;
  next_scan_ = context_.now.steady + kScan;
  chunks_.ForEach([&](HeldChunk& held) {
    if (held.run->next_tick() > context_.now.steady) return;
    ChunkActions actions;
    held.run->Tick(context_.now, actions);
    chunks_.Act(held, actions);
    for (int dispatcher = 0; dispatcher < context_.methods.peer_count(); ++dispatcher) AskAbout(held, dispatcher);
  });
  ReportGauges();
}

void Engine::ReportGauges() {
  int64_t in_flight = 0;
  chunks_.ForEach([&](const HeldChunk& held) { in_flight += held.run->in_flight(); });
  context_.metrics.chunks_leased.Set(static_cast<double>(chunks_.size()));
  context_.metrics.targets_in_flight.Set(static_cast<double>(in_flight));
  context_.metrics.targets_waiting.Set(static_cast<double>(watch_.size()));
  context_.metrics.outcomes_waiting.Set(static_cast<double>(recorder_.waiting()));
}

void Engine::Pump() {
  context_.ReadClock();
  TickChunks();
  leases_.Renew();
  leases_.Expire();
  leases_.Release(chunks_.Settle());
  checker_.StopFailing();
  checker_.JudgeLost();
  issuer_.Clear();
  issuer_.Issue();
  leases_.Release(chunks_.Settle());
  watch_.Flush([this](WaitingTarget target) {
    const HeldChunk* held = chunks_.FindSerial(target.holding);
    const bool waits = held != nullptr && held->method != nullptr && held->method->awaits_device(target.position);
    return waits ? held->run->device_id(target.position) : std::string_view();
  });
  recorder_.Flush();
  leases_.LeaseMore();
}

void Engine::BeginStop() {
  context_.stopping = true;
  recorder_.Hurry();
  chunks_.ForEach([&](HeldChunk& held) { chunks_.Touch(held); });
}

void Engine::GiveUp() {
  std::vector<job_store::ChunkLease> leases;
  chunks_.ForEach([&](const HeldChunk& held) {
    if (!held.run->lost()) leases.push_back(held.run->lease());
  });
  leases_.Release(std::move(leases));
}

}  // namespace fleetcast::scheduler
