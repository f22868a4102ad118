#include "tests/sim/sim_dispatcher.h"

#include <algorithm>
#include <utility>

#include "tests/sim/sim_hub.h"
#include "tests/sim/sim_scheduler.h"
#include "tests/sim/world.h"

namespace fleetcast::sim {
namespace {

namespace pb = internal::v1;
using method_dispatch::ExecutionKey;
using scheduler::CallEvent;
using scheduler::Knowledge;
using scheduler::NotSentReason;
using scheduler::UnknownReason;

// Translations as in services/scheduler/dispatch_link.cc.
NotSentReason FromProto(pb::NotSentReason reason) {
  switch (reason) {
    case pb::NOT_SENT_REASON_OFFLINE:
    case pb::NOT_SENT_REASON_NOT_SUBSCRIBED: return NotSentReason::kOffline;
    case pb::NOT_SENT_REASON_PERMIT_EXPIRED: return NotSentReason::kPermitExpired;
    case pb::NOT_SENT_REASON_BUSY: return NotSentReason::kBusy;
    case pb::NOT_SENT_REASON_DEVICE_NOT_FOUND: return NotSentReason::kDeviceNotFound;
    case pb::NOT_SENT_REASON_DEVICE_DISABLED: return NotSentReason::kDeviceDisabled;
    case pb::NOT_SENT_REASON_TOO_LARGE: return NotSentReason::kTooLarge;
    default: return NotSentReason::kOverloaded;
  }
}

UnknownReason FromProto(pb::UnknownReason reason) {
  switch (reason) {
    case pb::UNKNOWN_REASON_CONNECTION_LOST: return UnknownReason::kConnectionLost;
    case pb::UNKNOWN_REASON_RESPONSE_TIMEOUT: return UnknownReason::kResponseTimeout;
    default: return UnknownReason::kEdgeLost;
  }
}

CallEvent ToCallEvent(const ExecutionKey& key, const method_dispatch::CallOutcome& outcome) {
  CallEvent event;
  event.job_seq = key.job_seq;
  event.target = key.position;
  event.attempt = key.attempt;
  if (const auto* not_sent = std::get_if<pb::NotSent>(&outcome)) {
    event.kind = CallEvent::Kind::kNotSent;
    event.not_sent = FromProto(not_sent->reason());
  } else if (const auto* answer = std::get_if<pb::Answer>(&outcome)) {
    event.kind = CallEvent::Kind::kAnswer;
    event.device_status = answer->device_status();
    event.payload = answer->payload();
  } else if (const auto* unknown = std::get_if<pb::Unknown>(&outcome)) {
    event.kind = CallEvent::Kind::kUnknown;
    event.unknown = FromProto(unknown->reason());
  }
  return event;
}

Knowledge FromCore(method_dispatch::Actions::Knowledge knowledge) {
  switch (knowledge) {
    case method_dispatch::Actions::Knowledge::kPending: return Knowledge::kPending;
    case method_dispatch::Actions::Knowledge::kFinished: return Knowledge::kFinished;
    case method_dispatch::Actions::Knowledge::kNotSeen: break;
  }
  return Knowledge::kNotSeen;
}

ExecutionKey KeyOf(const scheduler::TargetName& name) { return {name.job_seq, name.target, name.attempt}; }

}  // namespace

SimDispatcher::SimDispatcher(World& world, int index) : Process(world.universe(), "dispatcher", index), world_(world) {}

void SimDispatcher::AddHubs() {
  for (int to = 0; to < world_.options().hubs; ++to) {
    SimHub& hub = world_.hub(to);
    dialers_.push_back(std::make_unique<Dialer>(
        universe_, *this, hub,
        [this, &hub](const std::shared_ptr<Stream>& stream) { hub.AcceptDispatcher(*this, stream); },
        [this, &hub](const std::shared_ptr<Stream>& stream) { OnHubUp(hub, stream); }, [] {}));
  }
}

void SimDispatcher::OnStart() {
  const bool reuses = world_.options().mutations.dispatcher_reuses_ids;
  const uint64_t first = reuses ? 1 + static_cast<uint64_t>(index()) * 1'000'000 : universe_.random.Next() | 1;
  method_dispatch::Now now = Moment();
  if (world_.options().mutations.dispatcher_lies_about_boot) now.wall = ProcessClock::WallStart() - absl::Hours(1);
  calls_ = std::make_unique<method_dispatch::PendingCalls>(method_dispatch::PendingLimits{}, first, now);
  for (const auto& dialer : dialers_) dialer->Dial();
}

void SimDispatcher::OnKill() {
  for (const auto& dialer : dialers_) dialer->Drop(true);
  for (const auto& [number, side] : schedulers_) side.stream->Close(Side::kServer, true);
  schedulers_.clear();
  waiting_.clear();
  calls_.reset();
  actions_ = {};
  timer_at_ = absl::InfiniteDuration();
}

method_dispatch::SchedulerStream SimDispatcher::NumberOf(const Stream* stream) const {
  for (const auto& [number, side] : schedulers_) {
    if (side.stream.get() == stream) return number;
  }
  return 0;
}

void SimDispatcher::AcceptScheduler(SimScheduler& scheduler, const std::shared_ptr<Stream>& stream) {
  const method_dispatch::SchedulerStream number = ++last_number_;
  schedulers_[number] = {&scheduler, stream};
  stream->OnDown(Side::kServer, [this, number] {
    schedulers_.erase(number);
    calls_->OnSchedulerGone(number, actions_);
    std::sort(actions_.unwatch.begin(), actions_.unwatch.end());  // They come in the order of a hash table.
    CarryOut();
  });
  stream->Send(Side::kServer, [this, &scheduler, boot = calls_->memory_begin()] {
    scheduler.OnDispatcherUp(index(), boot, world_.options().scheduler_credit);
  });
}

void SimDispatcher::OnBatch(const Stream* stream, const Batch& batch) {
  auto request = std::make_shared<pb::MethodRequest>();
  request->set_method(batch.method);
  request->set_payload(batch.payload);
  const method_dispatch::JobBatch job = {.job_seq = batch.job_seq,
                                         .request = std::move(request),
                                         .response_timeout = batch.response_timeout,
                                         .permit_expire = batch.permit_end};
  for (const method_dispatch::JobTarget& target : batch.targets) {
    calls_->StartJobCall(Moment(), NumberOf(stream), job, target, actions_);
  }
  CarryOut();
}

void SimDispatcher::OnAsked(const Stream* stream, const std::vector<scheduler::TargetName>& names) {
  asker_ = NumberOf(stream);
  for (const scheduler::TargetName& name : names) calls_->Recover(asker_, KeyOf(name), actions_);
  CarryOut();
}

void SimDispatcher::OnAcknowledged(const std::vector<scheduler::TargetName>& names) {
  for (const scheduler::TargetName& name : names) calls_->Acknowledge(KeyOf(name), actions_);
}

void SimDispatcher::OnWatch(const Stream* stream, const std::vector<std::string>& watch,
                            const std::vector<std::string>& unwatch) {
  for (const std::string& device_id : watch) calls_->Watch(NumberOf(stream), device_id, actions_);
  for (const std::string& device_id : unwatch) calls_->Unwatch(NumberOf(stream), device_id, actions_);
  CarryOut();
}

void SimDispatcher::OnHubUp(SimHub& hub, const std::shared_ptr<Stream>& stream) {
  std::vector<std::string> watched = calls_->WatchedDevices();
  if (watched.empty()) return;
  std::sort(watched.begin(), watched.end());
  stream->Send(Side::kClient, [&hub, raw = stream.get(), watched] { hub.OnWatch(raw, watched, {}); });
}

void SimDispatcher::OnDelivered(std::vector<pb::DeliverEvent> events) {
  for (pb::DeliverEvent& event : events) {
    method_dispatch::CallOutcome outcome;
    if (event.has_sent()) outcome = event.sent();
    if (event.has_not_sent()) outcome = event.not_sent();
    if (event.has_answer()) outcome = event.answer();
    if (event.has_unknown()) outcome = event.unknown();
    calls_->OnEvent(Moment(), 0, event.call_id(), std::move(outcome), actions_);
  }
  CarryOut();
}

void SimDispatcher::OnReady(const std::vector<std::string>& device_ids) {
  for (const std::string& device_id : device_ids) calls_->OnReady(Moment(), device_id, actions_);
  CarryOut();
}

void SimDispatcher::Invoke(method_dispatch::DirectCall call, Done done) {
  const method_dispatch::DirectToken token = ++last_number_;
  const absl::Status started = calls_->StartDirect(Moment(), token, std::move(call), actions_);
  if (!started.ok()) return done(started, {});
  waiting_[token] = std::move(done);
  CarryOut();
}

void SimDispatcher::CarryOut() {
  if (std::exchange(is_carrying_out_, true)) return;
  const auto has_some = [this] {
    return !actions_.deliver.empty() || !actions_.replies.empty() || !actions_.events.empty() ||
           !actions_.recovered.empty() || !actions_.watch.empty() || !actions_.unwatch.empty() ||
           !actions_.ready.empty();
  };
  while (has_some()) {
    Actions actions = std::exchange(actions_, {});
    SendDeliveries(std::move(actions.deliver));
    SendWatches(std::move(actions.watch), std::move(actions.unwatch));
    for (Actions::Reply& reply : actions.replies) {
      const auto found = waiting_.find(reply.token);
      if (found == waiting_.end()) continue;
      const Done done = std::move(found->second);
      waiting_.erase(found);
      done(reply.status, reply.answer);
    }
    SendToSchedulers(actions);
  }
  is_carrying_out_ = false;
  SetTimer();
}

void SimDispatcher::SendDeliveries(std::vector<Actions::Deliver> deliveries) {
  if (deliveries.empty()) return;
  const auto shared = std::make_shared<const std::vector<Actions::Deliver>>(std::move(deliveries));
  ++next_hub_;
  for (size_t i = 0; i < dialers_.size(); ++i) {
    const size_t to = (next_hub_ + i) % dialers_.size();
    SimHub& hub = world_.hub(static_cast<int>(to));
    const std::shared_ptr<Stream> stream = dialers_[to]->stream();
    if (dialers_[to]->Send([&hub, stream, shared] { hub.OnCalls(stream.get(), shared); })) return;
  }
  for (const Actions::Deliver& delivery : *shared) {
    pb::NotSent not_sent;
    not_sent.set_reason(pb::NOT_SENT_REASON_OVERLOADED);
    calls_->OnEvent(Moment(), 0, delivery.call, std::move(not_sent), actions_);
  }
}

void SimDispatcher::SendWatches(std::vector<std::string> watch, std::vector<std::string> unwatch) {
  if (watch.empty() && unwatch.empty()) return;
  for (size_t to = 0; to < dialers_.size(); ++to) {
    SimHub& hub = world_.hub(static_cast<int>(to));
    const std::shared_ptr<Stream> stream = dialers_[to]->stream();
    dialers_[to]->Send([&hub, stream, watch, unwatch] { hub.OnWatch(stream.get(), watch, unwatch); });
  }
}

void SimDispatcher::SendToSchedulers(Actions& actions) {
  struct Answer {
    std::vector<scheduler::TargetKnowledge> knowledge;
    std::vector<CallEvent> events;
    std::vector<std::string> ready;
  };
  std::map<method_dispatch::SchedulerStream, Answer> answers;
  for (const Actions::Recovered& recovered : actions.recovered) {
    answers[asker_].knowledge.push_back(
        {{recovered.key.job_seq, recovered.key.position, recovered.key.attempt}, FromCore(recovered.knowledge)});
  }
  for (const Actions::Event& event : actions.events) {
    answers[event.stream].events.push_back(ToCallEvent(event.key, event.outcome));
  }
  for (auto& [stream, device_id] : actions.ready) answers[stream].ready.push_back(std::move(device_id));
  for (auto& [number, answer] : answers) {
    const auto side = schedulers_.find(number);
    if (side == schedulers_.end()) continue;
    side->second.stream->Send(
        Side::kServer, [scheduler = side->second.scheduler, from = index(), answer = std::move(answer)]() mutable {
          scheduler->OnEngine([&](scheduler::Engine& engine) {
            if (!answer.knowledge.empty()) engine.OnKnowledge(from, answer.knowledge);
            if (!answer.events.empty()) engine.OnCallEvents(from, answer.events);
            if (!answer.ready.empty()) engine.OnDevicesReady(answer.ready);
          });
        });
  }
}

void SimDispatcher::SetTimer() {
  const absl::Duration next = calls_->NextDeadline();
  if (next >= timer_at_) return;
  timer_at_ = next;
  After(std::max(next - clock().Monotonic(), absl::ZeroDuration()), [this, next] {
    if (timer_at_ != next) return;  // An earlier one was set meanwhile, which set the next.
    timer_at_ = absl::InfiniteDuration();
    calls_->OnTime(Moment(), actions_);
    CarryOut();
    SetTimer();
  });
}

}  // namespace fleetcast::sim
