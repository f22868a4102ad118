#include "services/scheduler/sim/sim_fleet.h"

#include <algorithm>

namespace fleetcast::scheduler::sim {
namespace {

constexpr int64_t kCredit = 5'000;

}  // namespace

class SimFleet::PortEffects final : public Effects {
 public:
  PortEffects(SimFleet& fleet, int engine) : fleet_(fleet), engine_(engine) {}

  bool SendCalls(int dispatcher, const CallBatch& batch) override {
    return fleet_.SendCalls(engine_, dispatcher, batch);
  }
  bool Ask(int dispatcher, std::span<const TargetName> targets) override {
    return fleet_.Ask(engine_, dispatcher, targets);
  }
  void Acknowledge(int dispatcher, std::span<const TargetName> targets) override {
    fleet_.Acknowledge(engine_, dispatcher, targets);
  }
  bool Watch(int dispatcher, std::span<const std::string> watch, std::span<const std::string> unwatch) override {
    return fleet_.Watch(engine_, dispatcher, watch, unwatch);
  }
  bool SendSlices(int writer, const SliceBatch& batch) override { return fleet_.SendSlices(engine_, writer, batch); }

 private:
  SimFleet& fleet_;
  const int engine_;
};

SimFleet::SimFleet(SimQueue& queue, testing::SimClock& clock, SeededRandom& random, int dispatchers, int writers)
    : queue_(queue), clock_(clock), random_(random), dispatchers_(static_cast<size_t>(dispatchers)), writers_(writers) {
  for (Dispatcher& dispatcher : dispatchers_) dispatcher.boot = clock_.Now() - absl::Hours(1);
}

SimFleet::EnginePort& SimFleet::Port(int engine) {
  while (static_cast<size_t>(engine) >= ports_.size()) {
    EnginePort& port = ports_.emplace_back();
    port.effects = std::make_unique<PortEffects>(*this, static_cast<int>(ports_.size()) - 1);
    port.dispatchers.resize(dispatchers_.size());
    port.writers.resize(static_cast<size_t>(writers_));
  }
  return ports_[static_cast<size_t>(engine)];
}

void SimFleet::Connect(int engine, std::function<void(std::function<void(Engine&)>)> deliver) {
  EnginePort& port = Port(engine);
  port.deliver = std::move(deliver);
  for (std::vector<Stream>* streams : {&port.dispatchers, &port.writers}) {
    for (Stream& stream : *streams) stream = {.up = false, .number = stream.number + 1, .watched = {}};
  }
  if (!port.deliver) return;
  for (int index = 0; index < static_cast<int>(dispatchers_.size()); ++index) OpenDispatcher(engine, index);
  for (int index = 0; index < writers_; ++index) OpenWriter(engine, index);
}

void SimFleet::OpenDispatcher(int engine, int index) {
  const Dispatcher& dispatcher = DispatcherAt(index);
  Stream& stream = StreamAt(engine, index);
  if (!dispatcher.alive || stream.up || !Port(engine).deliver) return;
  stream.up = true;
  ++stream.number;
  ToEngine(engine, stream, [index, boot = dispatcher.boot](Engine& scheduler) {
    scheduler.OnDispatcherUp(index, boot);
    scheduler.OnCredit(index, kCredit);
  });
}

void SimFleet::OpenWriter(int engine, int index) {
  Stream& stream = WriterAt(engine, index);
  if (stream.up || !Port(engine).deliver) return;
  stream.up = true;
  ++stream.number;
  ToEngine(engine, stream, [index](Engine& scheduler) { scheduler.OnWriterUp(index); });
}

void SimFleet::BreakDispatcher(int index, absl::Duration pause) {
  for (int engine = 0; engine < static_cast<int>(ports_.size()); ++engine) {
    Stream& stream = StreamAt(engine, index);
    if (!stream.up) continue;
    stream = {.up = false, .number = stream.number + 1, .watched = {}};
    if (Port(engine).deliver) Port(engine).deliver([index](Engine& scheduler) { scheduler.OnDispatcherDown(index); });
    queue_.After(pause, [this, engine, index] { OpenDispatcher(engine, index); });
  }
}

void SimFleet::CrashDispatcher(int index, absl::Duration pause) {
  Dispatcher& dispatcher = DispatcherAt(index);
  if (!dispatcher.alive) return;
  BreakDispatcher(index, pause * 2);
  dispatcher.alive = false;
  ++dispatcher.life;
  dispatcher.calls.clear();
  queue_.After(pause, [this, index] {
    DispatcherAt(index).alive = true;
    DispatcherAt(index).boot = clock_.Now();
    for (int engine = 0; engine < static_cast<int>(ports_.size()); ++engine) OpenDispatcher(engine, index);
  });
}

void SimFleet::BreakWriter(int index, absl::Duration pause) {
  for (int engine = 0; engine < static_cast<int>(ports_.size()); ++engine) {
    Stream& stream = WriterAt(engine, index);
    if (!stream.up) continue;
    stream.up = false;
    ++stream.number;
    if (Port(engine).deliver) Port(engine).deliver([index](Engine& scheduler) { scheduler.OnWriterDown(index); });
    queue_.After(pause, [this, engine, index] { OpenWriter(engine, index); });
  }
}

void SimFleet::ToEngine(int engine, Stream& stream, std::function<void(Engine&)> event) {
  next_arrival_ = std::max(next_arrival_, clock_.Monotonic() + Delay());
  queue_.After(next_arrival_ - clock_.Monotonic(),
               [this, engine, &stream, number = stream.number, event = std::move(event)] {
                 const auto& deliver = Port(engine).deliver;
                 if (deliver && stream.up && stream.number == number) deliver(event);
               });
}

void SimFleet::ToDispatcher(int engine, int index, std::function<void(Dispatcher&)> event) {
  next_arrival_ = std::max(next_arrival_, clock_.Monotonic() + Delay());
  queue_.After(next_arrival_ - clock_.Monotonic(), [this, engine, index, number = StreamAt(engine, index).number,
                                                    life = DispatcherAt(index).life, event = std::move(event)] {
    Dispatcher& there = DispatcherAt(index);
    if (!there.alive || there.life != life) return;
    // Written before the stream broke: it may arrive all the same.
    if (StreamAt(engine, index).number != number && random_.Chance(faults_.lose_message_per_mille)) return;
    event(there);
  });
}

bool SimFleet::SendCalls(int engine, int index, const CallBatch& batch) {
  if (!StreamAt(engine, index).up) return false;
  sent_ += batch.calls.size();
  std::vector<SimCall> calls;
  const auto& action = std::get<job_store::MethodAction>(batch.job->spec.action);
  for (const CallBatch::Call& call : batch.calls) {
    calls.push_back({{batch.job->seq, call.target, call.attempt},
                     std::string(call.device_id),
                     batch.permit_end,
                     action.response_timeout});
  }
  ToDispatcher(engine, index, [this, engine, index, calls = std::move(calls)](Dispatcher& dispatcher) {
    for (const SimCall& call : calls) Start(engine, index, dispatcher, call);
  });
  return true;
}

void SimFleet::Start(int engine, int index, Dispatcher& dispatcher, const SimCall& call) {
  const auto known = dispatcher.calls.find(call.key);
  if (known != dispatcher.calls.end()) {  // A key that is known is not started again.
    known->second.engine = engine;
    if (known->second.end.has_value()) Tell(index, dispatcher.life, call.key, *known->second.end);
    return;
  }
  dispatcher.calls[call.key].engine = engine;
  queue_.After(Delay(), [this, index, life = dispatcher.life, call] { Write(index, life, call); });
}

// At the edge: it does not know whether the dispatcher still lives.
void SimFleet::Write(int index, uint64_t life, const SimCall& call) {
  CallEvent event;
  SimDevice& device = devices_[call.device_id];
  if (clock_.Now() >= call.permit_end || !device.online) {
    event.kind = CallEvent::Kind::kNotSent;
    event.not_sent = device.online ? NotSentReason::kPermitExpired : NotSentReason::kOffline;
    Tell(index, life, call.key, event);
    return;
  }
  ++device.calls[call.key.job_seq];
  device.last_call[call.key.job_seq] = clock_.Now();
  log_.push_back({clock_.Now(), call.key.job_seq, +1});
  Tell(index, life, call.key, event);
  CallEvent end;
  end.kind = device.silent ? CallEvent::Kind::kUnknown : CallEvent::Kind::kAnswer;
  end.unknown = UnknownReason::kResponseTimeout;
  end.device_status = device.failures-- > 0 ? 500 : 200;
  end.payload = R"({"ok":true})";
  queue_.After(device.silent ? call.response_timeout : device.answer_after, [this, index, life, key = call.key, end] {
    log_.push_back({clock_.Now(), key.job_seq, -1});
    Tell(index, life, key, end);
  });
}

void SimFleet::Tell(int index, uint64_t life, const Key& key, CallEvent event) {
  Dispatcher& dispatcher = DispatcherAt(index);
  if (!dispatcher.alive || dispatcher.life != life) return;
  const auto call = dispatcher.calls.find(key);
  if (call == dispatcher.calls.end()) return;
  event.job_seq = key.job_seq;
  event.target = key.target;
  event.attempt = key.attempt;
  const int engine = call->second.engine;
  switch (event.kind) {
    case CallEvent::Kind::kSent: call->second.sent = true; break;
    case CallEvent::Kind::kNotSent: dispatcher.calls.erase(call); break;  // "Not seen" is the same proof.
    case CallEvent::Kind::kAnswer:
    case CallEvent::Kind::kUnknown: call->second.end = event; break;
  }
  ToEngine(engine, StreamAt(engine, index), [index, event](Engine& scheduler) mutable {
    scheduler.OnCallEvents(index, {&event, 1});
  });
}

bool SimFleet::Ask(int engine, int index, std::span<const TargetName> targets) {
  if (!StreamAt(engine, index).up) return false;
  const std::vector<TargetName> names(targets.begin(), targets.end());
  ToDispatcher(engine, index, [this, engine, index, names](Dispatcher& dispatcher) {
    for (const TargetName& name : names) {
      const Key key{name.job_seq, name.target, name.attempt};
      const auto call = dispatcher.calls.find(key);
      TargetKnowledge answer{name, Knowledge::kNotSeen};
      if (call != dispatcher.calls.end()) {
        call->second.engine = engine;
        answer.knowledge = call->second.end.has_value() ? Knowledge::kFinished : Knowledge::kPending;
      }
      ToEngine(engine, StreamAt(engine, index), [index, answer](Engine& scheduler) {
        scheduler.OnKnowledge(index, {&answer, 1});
      });
      if (call == dispatcher.calls.end()) continue;
      if (call->second.end.has_value()) {
        Tell(index, dispatcher.life, key, *call->second.end);
      } else if (call->second.sent) {
        Tell(index, dispatcher.life, key, CallEvent());
      }
    }
  });
  return true;
}

void SimFleet::Acknowledge(int engine, int index, std::span<const TargetName> targets) {
  const std::vector<TargetName> names(targets.begin(), targets.end());
  if (!StreamAt(engine, index).up) return;
  ToDispatcher(engine, index, [names](Dispatcher& dispatcher) {
    for (const TargetName& name : names) {
      const auto call = dispatcher.calls.find({name.job_seq, name.target, name.attempt});
      if (call != dispatcher.calls.end() && call->second.end.has_value()) dispatcher.calls.erase(call);
    }
  });
}

bool SimFleet::Watch(int engine, int index, std::span<const std::string> watch, std::span<const std::string> unwatch) {
  if (!StreamAt(engine, index).up) return false;
  watches_ += watch.size();
  const std::vector<std::string> added(watch.begin(), watch.end());
  const std::vector<std::string> gone(unwatch.begin(), unwatch.end());
  const uint64_t number = StreamAt(engine, index).number;
  ToDispatcher(engine, index, [this, engine, index, number, added, gone](Dispatcher&) {
    Stream& stream = StreamAt(engine, index);
    if (stream.number != number) return;  // Forgotten with its stream.
    for (const std::string& id : gone) stream.watched.erase(id);
    std::vector<std::string> ready;
    for (const std::string& id : added) {
      if (devices_[id].online) {
        ready.push_back(id);
      } else {
        stream.watched.insert(id);
      }
    }
    if (!ready.empty()) ToEngine(engine, stream, [ready](Engine& scheduler) { scheduler.OnDevicesReady(ready); });
  });
  return true;
}

void SimFleet::SetOnline(const std::string& id, bool online) {
  devices_[id].online = online;
  if (!online) return;
  for (int engine = 0; engine < static_cast<int>(ports_.size()); ++engine) {
    for (Stream& stream : Port(engine).dispatchers) {
      if (stream.watched.erase(id) == 0) continue;
      ToEngine(engine, stream, [id](Engine& scheduler) { scheduler.OnDevicesReady({&id, 1}); });
    }
  }
}

bool SimFleet::SendSlices(int engine, int index, const SliceBatch& batch) {
  Stream& writer = WriterAt(engine, index);
  if (!writer.up) return false;
  for (const SliceBatch::Slice& slice : batch.slices) {
    const std::vector<std::string> ids(slice.device_ids.begin(), slice.device_ids.end());
    SliceResult result{
        .chunk = slice.chunk, .slice = slice.slice, .disposition = SliceResult::Disposition::kApplied, .failures = {}};
    queue_.After(Delay(), [this, engine, &writer, ids, result, permit_end = batch.permit_end]() mutable {
      const std::pair<int64_t, std::pair<int, int>> key{result.chunk.job_seq, {result.chunk.chunk_no, result.slice}};
      if (!applied_.contains(key) && clock_.Now() >= permit_end) {
        result.disposition = SliceResult::Disposition::kNotApplied;
      } else if (applied_.insert(key).second) {
        for (const std::string& id : ids) ++devices_[id].writes[result.chunk.job_seq];
      }
      if (random_.Chance(faults_.slice_unknown_per_mille)) result.disposition = SliceResult::Disposition::kUnknown;
      ToEngine(engine, writer, [result](Engine& scheduler) { scheduler.OnSliceResults({&result, 1}); });
    });
  }
  return true;
}

size_t SimFleet::kept_results() const {
  size_t kept = 0;
  for (const Dispatcher& dispatcher : dispatchers_) kept += dispatcher.calls.size();
  return kept;
}

}  // namespace fleetcast::scheduler::sim
