#include "tests/sim/sim_hub.h"

#include <algorithm>
#include <utility>

#include "tests/sim/sim_hub_state.h"
#include "tests/sim/world.h"

namespace fleetcast::sim {
namespace {

namespace pb = internal::v1;
using device_connection::DispatcherStream;
using device_connection::FoundSession;
using device_connection::RoutedEvent;

// As in services/device_connection/deliveries.cc.
constexpr absl::Duration kForgetAfter = absl::Seconds(5);
// More than a world has calls: credit is not what is looked at here.
constexpr int64_t kCallCredit = 100'000;

pb::DeliverEvent NotSent(uint64_t call_id, pb::NotSentReason reason) {
  pb::DeliverEvent event;
  event.set_call_id(call_id);
  event.mutable_not_sent()->set_reason(reason);
  return event;
}

pb::NotSentReason ToProto(mqtt_edge::CallReport::Reason reason) {
  using Reason = mqtt_edge::CallReport::Reason;
  switch (reason) {
    case Reason::kNotSubscribed: return pb::NOT_SENT_REASON_NOT_SUBSCRIBED;
    case Reason::kPermitExpired: return pb::NOT_SENT_REASON_PERMIT_EXPIRED;
    case Reason::kBusy: return pb::NOT_SENT_REASON_BUSY;
    case Reason::kStaleRoute: return pb::NOT_SENT_REASON_STALE_ROUTE;
    case Reason::kTooLarge: return pb::NOT_SENT_REASON_TOO_LARGE;
    case Reason::kNone: break;
  }
  return pb::NOT_SENT_REASON_UNSPECIFIED;
}

pb::DeliverEvent ToEvent(const mqtt_edge::CallReport& report) {
  using Kind = mqtt_edge::CallReport::Kind;
  pb::DeliverEvent event;
  event.set_call_id(report.call_id);
  switch (report.kind) {
    case Kind::kSent: event.mutable_sent()->set_session_epoch(report.epoch); break;
    case Kind::kNotSent: event.mutable_not_sent()->set_reason(ToProto(report.reason)); break;
    case Kind::kAnswer:
      event.mutable_answer()->set_device_status(report.device_status);
      event.mutable_answer()->set_session_epoch(report.epoch);
      event.mutable_answer()->set_payload(report.payload);
      break;
    case Kind::kConnectionLost: event.mutable_unknown()->set_reason(pb::UNKNOWN_REASON_CONNECTION_LOST); break;
  }
  return event;
}

}  // namespace

SimHub::SimHub(World& world, int index) : Process(world.universe(), "hub", index), world_(world) {}
SimHub::~SimHub() = default;

void SimHub::OnStart() {
  state_ = std::make_unique<State>(*this, world_.redis());
  state_->sweep_at = clock().Monotonic() + absl::Seconds(20);
  Keep();
}

void SimHub::OnKill() {
  for (const auto& [number, side] : state_->dispatchers) side.stream->Close(Side::kServer, true);
  for (const auto& side : state_->edge_streams) side.stream->Close(Side::kServer, true);
  state_.reset();
}

absl::Duration SimHub::WorkTime() {
  SeededRandom& random = universe_.random;
  if (random.Chance(slow_per_mille)) return random.Between(absl::Milliseconds(50), absl::Seconds(4));
  return random.Between(absl::Microseconds(200), absl::Milliseconds(3));
}

void SimHub::Tell(const EdgeRef& edge, HubFrame frame) {
  Outlet& outlet = static_cast<Outlet&>(*edge->outlet);
  if (!outlet.Send(std::move(frame))) outlet.Abort();
}

void SimHub::TellToGo(const EdgeRef& edge, uint64_t session, int64_t epoch) {
  if (world_.options().mutations.hub_forgets_takeover) return;
  HubFrame frame;
  frame.disconnects.push_back({session, epoch});
  Tell(edge, std::move(frame));
}

void SimHub::AcceptEdge(SimEdge& edge, const device_connection::EdgeName& name, const std::shared_ptr<Stream>& stream) {
  const auto attached =
      state_->edges.Attach(name, std::make_shared<Outlet>(edge, stream), kCallCredit, clock().Monotonic());
  if (attached.replaced != nullptr) attached.replaced->outlet->Abort();
  state_->edge_streams.push_back({attached.edge, stream});
  stream->OnDown(Side::kServer, [this, raw = stream.get()] {
    const auto side = state_->Find(raw);
    state_->edges.Detach(*side->edge, clock().Monotonic());
    state_->edge_streams.erase(side);
  });
  HubFrame hello;
  hello.is_hello = true;
  Tell(attached.edge, std::move(hello));
}

void SimHub::OnFrame(const Stream* stream, EdgeFrame frame) {
  const EdgeRef edge = state_->Find(stream)->edge;
  state_->edges.OnHeartbeat(*edge, clock().Monotonic());
  for (const EdgeFrame::Open& open : frame.opens) {
    Worker& opener = state_->openers[universe_.random.Below(2)];
    opener.Submit(WorkTime(), universe_, [this, edge, open] { Enter(edge, open); });
  }
  if (!frame.live.empty()) {
    state_->announcer.Submit(WorkTime(), universe_,
                             [this, edge, live = std::move(frame.live)] { Announce(edge, live); });
  }
  for (const EdgeFrame::Subscription& change : frame.subscriptions) {
    state_->subscriber.Submit(WorkTime(), universe_, [this, edge, change] { Subscribe(edge, change); });
  }
  if (!frame.reports.empty()) {
    OnReports(frame.reports);
    HubFrame taken;
    taken.acknowledged = frame.reports.back().sequence;
    Tell(edge, std::move(taken));
  }
  for (const EdgeFrame::Closed& closed : frame.closed) {
    state_->closer.Submit(WorkTime(), universe_, [this, edge, closed] { CloseSession(edge, closed); });
  }
}

void SimHub::OnReports(const std::vector<mqtt_edge::ReportLog::Entry>& reports) {
  std::vector<RoutedEvent> events;
  for (const auto& entry : reports) {
    events.push_back(state_->table.OnReport(ToEvent(entry.report), clock().Monotonic()));
  }
  Route(std::move(events));
}

DispatcherStream SimHub::NumberOf(const Stream* stream) const {
  for (const auto& [number, side] : state_->dispatchers) {
    if (side.stream.get() == stream) return number;
  }
  return 0;
}

void SimHub::AcceptDispatcher(SimDispatcher& dispatcher, const std::shared_ptr<Stream>& stream) {
  const DispatcherStream number = ++state_->last_stream;
  state_->dispatchers[number] = {&dispatcher, stream};
  stream->OnDown(Side::kServer, [this, number] {
    state_->dispatchers.erase(number);
    state_->watches.RemoveStream(number);
    state_->table.OnStreamGone(number);
  });
  Events events;
  events[number] = state_->table.Orphans(clock().Monotonic());
  // Those of a lost edge come in the order of a hash table.
  std::stable_sort(events[number].begin(), events[number].end(),
                   [](const auto& a, const auto& b) { return a.call_id() < b.call_id(); });
  if (!events[number].empty()) Send(std::move(events));
}

void SimHub::OnCalls(const Stream* stream, Calls calls) {
  Worker& deliverer = state_->deliverers[universe_.random.Below(2)];
  deliverer.Submit(WorkTime(), universe_,
                   [this, number = NumberOf(stream), calls = std::move(calls)] { Deliver(number, calls); });
}

FoundSession SimHub::Find(const std::string& device_id) {
  return FindSessions({device_id}, state_->directory, state_->sessions, state_->edges).front();
}

void SimHub::Deliver(DispatcherStream stream, const Calls& calls) {
  std::vector<std::string> device_ids;
  for (const auto& call : *calls) device_ids.push_back(call.device_id);
  const auto found = FindSessions(device_ids, state_->directory, state_->sessions, state_->edges);
  Events refused;
  std::map<device_connection::EdgeNumber, std::pair<EdgeRef, HubFrame>> outgoing;
  for (size_t i = 0; i < calls->size(); ++i) {
    const auto& call = (*calls)[i];
    const FoundSession& session = found[i];
    if (session.kind == FoundSession::Kind::kAbsent) {
      refused[stream].push_back(NotSent(call.call, pb::NOT_SENT_REASON_OFFLINE));
      continue;
    }
    const absl::Duration left = std::max(call.answer_deadline - clock().Now(), absl::ZeroDuration());
    if (session.kind != FoundSession::Kind::kHere ||
        !state_->table.Add(call.call, stream, session.edge->number, session.edge->call_credit,
                           clock().Monotonic() + left + kForgetAfter)) {
      refused[stream].push_back(NotSent(call.call, pb::NOT_SENT_REASON_OVERLOADED));
      continue;
    }
    auto& [edge, frame] = outgoing[session.edge->number];
    edge = session.edge;
    frame.calls.push_back({call.call, session.entry.session, session.entry.epoch, call.request, call.permit_expire,
                           call.answer_deadline});
  }
  for (auto& [number, out] : outgoing) {
    const std::vector<HubFrame::Call> pushed = out.second.calls;
    if (static_cast<Outlet&>(*out.first->outlet).Send(std::move(out.second))) continue;
    for (const HubFrame::Call& call : pushed) {
      state_->table.Remove(call.call_id);
      refused[stream].push_back(NotSent(call.call_id, pb::NOT_SENT_REASON_OVERLOADED));
    }
  }
  Send(std::move(refused));
}

void SimHub::OnWatch(const Stream* stream, const std::vector<std::string>& watch,
                     const std::vector<std::string>& unwatch) {
  Worker& deliverer = state_->deliverers[universe_.random.Below(2)];
  deliverer.Submit(WorkTime(), universe_,
                   [this, number = NumberOf(stream), watch, unwatch] { ChangeWatches(number, watch, unwatch); });
}

void SimHub::ChangeWatches(DispatcherStream stream, const std::vector<std::string>& watch,
                           const std::vector<std::string>& unwatch) {
  if (!state_->dispatchers.contains(stream)) return;
  for (const std::string& device_id : unwatch) state_->watches.Remove(stream, device_id);
  for (const std::string& device_id : watch) state_->watches.Add(stream, device_id);
  const auto found = FindSessions(watch, state_->directory, state_->sessions, state_->edges);
  std::vector<std::string> ready;
  for (size_t i = 0; i < watch.size(); ++i) {
    const bool listens = (found[i].entry.subscriptions & mqtt_edge::kMethodsBit) != 0;
    if (found[i].kind == FoundSession::Kind::kHere && listens) ready.push_back(watch[i]);
  }
  OnReady(ready);
}

void SimHub::OnReady(const std::vector<std::string>& device_ids) {
  std::map<DispatcherStream, std::vector<std::string>> ready;
  for (const std::string& device_id : device_ids) {
    for (const DispatcherStream stream : state_->watches.Take(device_id)) ready[stream].push_back(device_id);
  }
  for (auto& [number, ids] : ready) {
    const auto side = state_->dispatchers.find(number);
    if (side == state_->dispatchers.end()) continue;
    side->second.stream->Send(
        Side::kServer, [dispatcher = side->second.dispatcher, ids = std::move(ids)] { dispatcher->OnReady(ids); });
  }
}

void SimHub::Route(std::vector<RoutedEvent> events) {
  Events routed;
  for (RoutedEvent& event : events) {
    if (event.stream != 0) {
      routed[event.stream].push_back(std::move(event.event));
      continue;
    }
    for (const auto& [number, side] : state_->dispatchers) routed[number].push_back(event.event);
  }
  Send(std::move(routed));
}

void SimHub::Send(Events events) {
  const auto send = [&](const State::DispatcherSide& side, const std::vector<pb::DeliverEvent>& of_stream) {
    return side.stream->Send(Side::kServer,
                             [dispatcher = side.dispatcher, of_stream] { dispatcher->OnDelivered(of_stream); });
  };
  for (auto& [number, of_stream] : events) {
    if (of_stream.empty()) continue;
    const auto side = state_->dispatchers.find(number);
    if (side != state_->dispatchers.end() && send(side->second, of_stream)) continue;
    // The dispatcher may have attached again already; else it gets these when it does.
    bool was_told = false;
    for (const auto& [other, other_side] : state_->dispatchers) {
      if (other != number) was_told = send(other_side, of_stream) || was_told;
    }
    if (was_told) continue;
    for (const pb::DeliverEvent& event : of_stream) state_->table.KeepOrphan(event, clock().Monotonic());
  }
}

}  // namespace fleetcast::sim
