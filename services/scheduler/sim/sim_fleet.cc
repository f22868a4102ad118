#include "services/scheduler/sim/sim_fleet.h"

#include <algorithm>

namespace fleetcast::scheduler::sim {
namespace {

constexpr int64_t kCredit = 5'000;

}  // namespace

SimFleet::SimFleet(SimQueue& queue, testing::SimClock& clock, SeededRandom& random, int dispatchers, int writers)
    : queue_(queue),
      clock_(clock),
      random_(random),
      dispatchers_(static_cast<size_t>(dispatchers)),
      writers_(static_cast<size_t>(writers)) {
  for (Dispatcher& dispatcher : dispatchers_) dispatcher.boot = clock_.Now() - absl::Hours(1);
}

void SimFleet::Connect(std::function<void(std::function<void(Engine&)>)> deliver) {
  deliver_ = std::move(deliver);
  for (Dispatcher& dispatcher : dispatchers_) {
    dispatcher.up = false;
    ++dispatcher.stream;
    dispatcher.watched.clear();
  }
  for (Writer& writer : writers_) {
    writer.up = false;
    ++writer.stream;
  }
  if (!deliver_) return;
  for (int index = 0; index < static_cast<int>(dispatchers_.size()); ++index) OpenDispatcher(index);
  for (int index = 0; index < static_cast<int>(writers_.size()); ++index) OpenWriter(index);
}

void SimFleet::OpenDispatcher(int index) {
  Dispatcher& dispatcher = dispatchers_[static_cast<size_t>(index)];
  if (!dispatcher.alive || dispatcher.up || !deliver_) return;
  dispatcher.up = true;
  ++dispatcher.stream;
  ToEngine(index, [index, boot = dispatcher.boot](Engine& engine) {
    engine.OnDispatcherUp(index, boot);
    engine.OnCredit(index, kCredit);
  });
}

void SimFleet::OpenWriter(int index) {
  Writer& writer = writers_[static_cast<size_t>(index)];
  if (writer.up || !deliver_) return;
  writer.up = true;
  ++writer.stream;
  ToEngine(writer, [index](Engine& engine) { engine.OnWriterUp(index); });
}

void SimFleet::BreakDispatcher(int index, absl::Duration pause) {
  Dispatcher& dispatcher = dispatchers_[static_cast<size_t>(index)];
  if (!dispatcher.up) return;
  dispatcher.up = false;
  ++dispatcher.stream;
  dispatcher.watched.clear();
  if (deliver_) deliver_([index](Engine& engine) { engine.OnDispatcherDown(index); });
  queue_.After(pause, [this, index] { OpenDispatcher(index); });
}

void SimFleet::CrashDispatcher(int index, absl::Duration pause) {
  Dispatcher& dispatcher = dispatchers_[static_cast<size_t>(index)];
  if (!dispatcher.alive) return;
  BreakDispatcher(index, pause * 2);
  dispatcher.alive = false;
  ++dispatcher.life;
  dispatcher.calls.clear();
  queue_.After(pause, [this, index] {
    dispatchers_[static_cast<size_t>(index)].alive = true;
    dispatchers_[static_cast<size_t>(index)].boot = clock_.Now();
    OpenDispatcher(index);
  });
}

void SimFleet::BreakWriter(int index, absl::Duration pause) {
  Writer& writer = writers_[static_cast<size_t>(index)];
  if (!writer.up) return;
  writer.up = false;
  ++writer.stream;
  if (deliver_) deliver_([index](Engine& engine) { engine.OnWriterDown(index); });
  queue_.After(pause, [this, index] { OpenWriter(index); });
}

void SimFleet::ToEngine(int index, std::function<void(Engine&)> event) {
  next_arrival_ = std::max(next_arrival_, clock_.Monotonic() + Delay());
  queue_.After(next_arrival_ - clock_.Monotonic(),
               [this, index, stream = dispatchers_[static_cast<size_t>(index)].stream, event = std::move(event)] {
                 const Dispatcher& dispatcher = dispatchers_[static_cast<size_t>(index)];
                 if (deliver_ && dispatcher.up && dispatcher.stream == stream) deliver_(event);
               });
}

void SimFleet::ToEngine(Writer& writer, std::function<void(Engine&)> event) {
  next_arrival_ = std::max(next_arrival_, clock_.Monotonic() + Delay());
  queue_.After(next_arrival_ - clock_.Monotonic(), [this, &writer, stream = writer.stream, event = std::move(event)] {
    if (deliver_ && writer.up && writer.stream == stream) deliver_(event);
  });
}

void SimFleet::ToDispatcher(int index, std::function<void(Dispatcher&)> event) {
  const Dispatcher& dispatcher = dispatchers_[static_cast<size_t>(index)];
  next_arrival_ = std::max(next_arrival_, clock_.Monotonic() + Delay());
  queue_.After(next_arrival_ - clock_.Monotonic(),
               [this, index, stream = dispatcher.stream, life = dispatcher.life, event = std::move(event)] {
                 Dispatcher& there = dispatchers_[static_cast<size_t>(index)];
                 if (!there.alive || there.life != life) return;
                 // Written before the stream broke: it may arrive all the same.
                 if (there.stream != stream && random_.Chance(faults_.lose_message_per_mille)) return;
                 event(there);
               });
}

bool SimFleet::SendCalls(int index, const CallBatch& batch) {
  if (!dispatchers_[static_cast<size_t>(index)].up) return false;
  std::vector<SimCall> calls;
  const auto& action = std::get<job_store::MethodAction>(batch.job->spec.action);
  for (const CallBatch::Call& call : batch.calls) {
    calls.push_back(
        {{batch.job->seq, call.target}, std::string(call.device_id), batch.permit_end, action.response_timeout});
  }
  ToDispatcher(index, [this, index, calls = std::move(calls)](Dispatcher& dispatcher) {
    for (const SimCall& call : calls) Start(index, dispatcher, call);
  });
  return true;
}

void SimFleet::Start(int index, Dispatcher& dispatcher, const SimCall& call) {
  const auto known = dispatcher.calls.find(call.key);
  if (known != dispatcher.calls.end()) {  // A key that is known is not started again.
    if (known->second.end.has_value()) Tell(index, dispatcher.life, call.key, *known->second.end);
    return;
  }
  dispatcher.calls[call.key] = {};
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
  ++device.calls[call.key.first];
  device.last_call[call.key.first] = clock_.Now();
  Tell(index, life, call.key, event);
  CallEvent end;
  end.kind = device.silent ? CallEvent::Kind::kUnknown : CallEvent::Kind::kAnswer;
  end.unknown = UnknownReason::kResponseTimeout;
  end.device_status = 200;
  end.payload = R"({"ok":true})";
  queue_.After(device.silent ? call.response_timeout : device.answer_after,
               [this, index, life, key = call.key, end] { Tell(index, life, key, end); });
}

void SimFleet::Tell(int index, uint64_t life, const Key& key, CallEvent event) {
  Dispatcher& dispatcher = dispatchers_[static_cast<size_t>(index)];
  if (!dispatcher.alive || dispatcher.life != life) return;
  const auto call = dispatcher.calls.find(key);
  if (call == dispatcher.calls.end()) return;
  event.job_seq = key.first;
  event.target = key.second;
  switch (event.kind) {
    case CallEvent::Kind::kSent: call->second.sent = true; break;
    case CallEvent::Kind::kNotSent: dispatcher.calls.erase(call); break;  // "Not seen" is the same proof.
    case CallEvent::Kind::kAnswer:
    case CallEvent::Kind::kUnknown: call->second.end = event; break;
  }
  ToEngine(index, [index, event](Engine& engine) mutable { engine.OnCallEvents(index, {&event, 1}); });
}

bool SimFleet::Ask(int index, std::span<const TargetName> targets) {
  if (!dispatchers_[static_cast<size_t>(index)].up) return false;
  const std::vector<TargetName> names(targets.begin(), targets.end());
  ToDispatcher(index, [this, index, names](Dispatcher& dispatcher) {
    for (const TargetName& name : names) {
      const Key key{name.job_seq, name.target};
      const auto call = dispatcher.calls.find(key);
      TargetKnowledge answer{name, Knowledge::kNotSeen};
      if (call != dispatcher.calls.end()) {
        answer.knowledge = call->second.end.has_value() ? Knowledge::kFinished : Knowledge::kPending;
      }
      ToEngine(index, [index, answer](Engine& engine) { engine.OnKnowledge(index, {&answer, 1}); });
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

void SimFleet::Acknowledge(int index, std::span<const TargetName> targets) {
  const std::vector<TargetName> names(targets.begin(), targets.end());
  if (!dispatchers_[static_cast<size_t>(index)].up) return;
  ToDispatcher(index, [names](Dispatcher& dispatcher) {
    for (const TargetName& name : names) {
      const auto call = dispatcher.calls.find({name.job_seq, name.target});
      if (call != dispatcher.calls.end() && call->second.end.has_value()) dispatcher.calls.erase(call);
    }
  });
}

void SimFleet::Watch(int index, std::span<const std::string> watch, std::span<const std::string> unwatch) {
  const std::vector<std::string> added(watch.begin(), watch.end());
  const std::vector<std::string> gone(unwatch.begin(), unwatch.end());
  ToDispatcher(index, [this, index, added, gone](Dispatcher& dispatcher) {
    for (const std::string& id : gone) dispatcher.watched.erase(id);
    std::vector<std::string> ready;
    for (const std::string& id : added) {
      if (devices_[id].online) {
        ready.push_back(id);
      } else {
        dispatcher.watched.insert(id);
      }
    }
    if (!ready.empty()) ToEngine(index, [ready](Engine& engine) { engine.OnDevicesReady(ready); });
  });
}

void SimFleet::SetOnline(const std::string& id, bool online) {
  devices_[id].online = online;
  if (!online) return;
  for (int index = 0; index < static_cast<int>(dispatchers_.size()); ++index) {
    if (dispatchers_[static_cast<size_t>(index)].watched.erase(id) == 0) continue;
    ToEngine(index, [id](Engine& engine) { engine.OnDevicesReady({&id, 1}); });
  }
}

bool SimFleet::SendSlices(int index, const SliceBatch& batch) {
  Writer& writer = writers_[static_cast<size_t>(index)];
  if (!writer.up) return false;
  for (const SliceBatch::Slice& slice : batch.slices) {
    const std::vector<std::string> ids(slice.device_ids.begin(), slice.device_ids.end());
    SliceResult result{
        .chunk = slice.chunk, .slice = slice.slice, .disposition = SliceResult::Disposition::kApplied, .failures = {}};
    queue_.After(Delay(), [this, &writer, ids, result, permit_end = batch.permit_end]() mutable {
      const std::pair<int64_t, std::pair<int, int>> key{result.chunk.job_seq, {result.chunk.chunk_no, result.slice}};
      if (!applied_.contains(key) && clock_.Now() >= permit_end) {
        result.disposition = SliceResult::Disposition::kNotApplied;
      } else if (applied_.insert(key).second) {
        for (const std::string& id : ids) ++devices_[id].writes[result.chunk.job_seq];
      }
      if (random_.Chance(faults_.slice_unknown_per_mille)) result.disposition = SliceResult::Disposition::kUnknown;
      ToEngine(writer, [result](Engine& engine) { engine.OnSliceResults({&result, 1}); });
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
