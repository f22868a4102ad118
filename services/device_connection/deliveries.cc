#include "services/device_connection/deliveries.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/telemetry/log.h"

namespace fleetcast::device_connection {

namespace pb = ::fleetcast::internal::v1;

namespace {

// How long a call is remembered after its answer deadline, for late reports.
constexpr absl::Duration kForgetAfter = absl::Seconds(5);

pb::DeliverEvent NotSentEvent(uint64_t call_id, pb::NotSentReason reason) {
  pb::DeliverEvent event;
  event.set_call_id(call_id);
  event.mutable_not_sent()->set_reason(reason);
  return event;
}

pb::DeliverEvent ToEvent(pb::CallReport&& report) {
  pb::DeliverEvent event;
  event.set_call_id(report.call_id());
  switch (report.event_case()) {
    case pb::CallReport::kSent: event.set_allocated_sent(report.release_sent()); break;
    case pb::CallReport::kNotSent: event.set_allocated_not_sent(report.release_not_sent()); break;
    case pb::CallReport::kAnswer: event.set_allocated_answer(report.release_answer()); break;
    case pb::CallReport::kUnknown: event.set_allocated_unknown(report.release_unknown()); break;
    case pb::CallReport::EVENT_NOT_SET: break;
  }
  return event;
}

// What a device's record says about a call that found no session.
pb::NotSentReason ReasonOf(const pb::DeviceRecord* record) {
  if (record == nullptr) return pb::NOT_SENT_REASON_DEVICE_NOT_FOUND;
  return record->disabled() ? pb::NOT_SENT_REASON_DEVICE_DISABLED : pb::NOT_SENT_REASON_OFFLINE;
}

}  // namespace

Deliveries::Deliveries(const Parts& parts, const DeliveryTable::Options& options)
    : parts_(parts),
      table_(options),
      worker_({.threads = kThreads, .queue_max = kQueueMax, .batch_max = 1}, [this](std::vector<Request> batch) {
        for (const Request& request : batch) Handle(request);
      }) {}

DispatcherStream Deliveries::Attach(std::shared_ptr<DispatcherOutlet> outlet) {
  DispatcherStream stream = 0;
  Answers answers;
  {
    MutexLock lock(mutex_);
    stream = ++last_stream_;
    streams_[stream] = std::move(outlet);
    parts_.metrics.dispatchers.Set(static_cast<double>(streams_.size()));
    answers[stream].set_credit(kDispatcherCredit);
    for (pb::DeliverEvent& event : table_.Orphans(parts_.clock.Monotonic())) {
      *answers[stream].add_events() = std::move(event);
    }
  }
  Send(std::move(answers));
  return stream;
}

void Deliveries::OnMessage(DispatcherStream stream, pb::DeliverRequest message) {
  if (message.taken_answers_size() > 0) TakeAnswers(message);
  if (message.calls_size() == 0 && message.watch_device_ids_size() == 0 && message.unwatch_device_ids_size() == 0)
    return;
  const Request request = {stream, std::make_shared<const pb::DeliverRequest>(std::move(message))};
  if (worker_.TrySubmit(request)) return;
  parts_.metrics.refused.With({"deliver"}).Add();
  Answers answers;
  for (const pb::DeliverCall& call : request.message->calls()) {
    Refuse(request, call, pb::NOT_SENT_REASON_OVERLOADED, answers);
  }
  Send(std::move(answers));
}

void Deliveries::Detach(DispatcherStream stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
  parts_.metrics.dispatchers.Set(static_cast<double>(streams_.size()));
  watches_.RemoveStream(stream);
  table_.OnStreamGone(stream);
}

void Deliveries::Handle(const Request& request) {
  Answers answers;
  if (request.message->calls_size() > 0) DeliverCalls(request, answers);
  if (request.message->watch_device_ids_size() > 0 || request.message->unwatch_device_ids_size() > 0) {
    ChangeWatches(request, answers);
  }
  Send(std::move(answers));
}

void Deliveries::DeliverCalls(const Request& request, Answers& answers) {
  std::vector<std::string> device_ids;
  Calls calls;
  for (const pb::DeliverCall& call : request.message->calls()) {
    if (call.request_index() < 0 || call.request_index() >= request.message->requests_size()) {
      Refuse(request, call, pb::NOT_SENT_REASON_OVERLOADED, answers);  // Malformed: never sent, that much is sure.
      continue;
    }
    device_ids.push_back(call.device_id());
    calls.push_back(&call);
  }
  const absl::Duration before = parts_.clock.Monotonic();
  const auto found = FindSessions(device_ids, parts_.directory, parts_.sessions, parts_.edges);
  parts_.metrics.resolve_seconds.Observe(absl::ToDoubleSeconds(parts_.clock.Monotonic() - before));
  Push(request, calls, found, answers);
}

void Deliveries::Push(const Request& request, const Calls& calls, const std::vector<FoundSession>& found,
                      Answers& answers) {
  struct Outgoing {
    Calls calls;
    pb::AttachResponse message;
  };
  absl::flat_hash_map<std::shared_ptr<const Edge>, Outgoing> outgoing;
  Calls absent;
  const std::vector<bool> noted = Note(request, calls, found);
  for (size_t i = 0; i < calls.size(); ++i) {
    const pb::DeliverCall& call = *calls[i];
    const FoundSession& session = found[i];
    if (session.kind == FoundSession::Kind::kAbsent) {
      absent.push_back(&call);
      continue;
    }
    if (!noted[i]) {
      Refuse(request, call, pb::NOT_SENT_REASON_OVERLOADED, answers);
      continue;
    }
    Outgoing& to = outgoing[session.edge];
    to.calls.push_back(&call);
    pb::MethodCall* method = to.message.add_method_calls();
    const pb::MethodRequest& what = request.message->requests(call.request_index());
    method->set_call_id(call.call_id());
    method->set_session(session.entry.session);
    method->set_epoch(session.entry.epoch);
    method->set_method(what.method());
    method->set_payload(what.payload());
    method->set_traceparent(what.traceparent());
    method->set_permit_expire_unix_micros(call.permit_expire_unix_micros());
    method->set_answer_deadline_unix_micros(call.answer_deadline_unix_micros());
  }
  for (auto& [edge, to] : outgoing) PushTo(request, *edge, to.calls, std::move(to.message), answers);
  if (!absent.empty()) RefuseAbsent(request, absent, answers);
}

// Before calls are pushed, since their reports may come at once. False for those that are not here, or beyond a bound.
std::vector<bool> Deliveries::Note(const Request& request, const Calls& calls, const std::vector<FoundSession>& found) {
  std::vector<bool> noted(calls.size());
  const absl::Time wall = parts_.clock.Now();
  const absl::Duration now = parts_.clock.Monotonic();
  MutexLock lock(mutex_);
  for (size_t i = 0; i < calls.size(); ++i) {
    if (found[i].kind != FoundSession::Kind::kHere) continue;
    const absl::Duration left = absl::FromUnixMicros(calls[i]->answer_deadline_unix_micros()) - wall;
    const absl::Duration forget_at = now + std::max(left, absl::ZeroDuration()) + kForgetAfter;
    const Edge& edge = *found[i].edge;
    noted[i] = table_.Add(calls[i]->call_id(), request.stream, edge.number, edge.call_credit, forget_at);
  }
  return noted;
}

void Deliveries::PushTo(const Request& request, const Edge& edge, const Calls& calls, pb::AttachResponse message,
                        Answers& answers) {
  // TrySend, not Send: a full outbox refuses these calls, which is proof, and disturbs nobody else.
  if (edge.outlet->TrySend(std::move(message))) {
    parts_.metrics.calls.With({"pushed"}).Add(static_cast<double>(calls.size()));
    return;
  }
  {
    MutexLock lock(mutex_);
    for (const pb::DeliverCall* call : calls) table_.Remove(call->call_id());
  }
  for (const pb::DeliverCall* call : calls) Refuse(request, *call, pb::NOT_SENT_REASON_OVERLOADED, answers);
}

// Offline, or gone, or disabled: the registry tells. When it cannot be asked, offline is all that is known, and true.
void Deliveries::RefuseAbsent(const Request& request, const Calls& calls, Answers& answers) {
  std::vector<std::string> device_ids;
  for (const pb::DeliverCall* call : calls) device_ids.push_back(call->device_id());
  const auto records = parts_.twin.FindRecords(device_ids, TwinClient::Freshness::kCached);
  for (const pb::DeliverCall* call : calls) {
    pb::NotSentReason reason = pb::NOT_SENT_REASON_OFFLINE;
    if (records.ok()) {
      const auto record = records->find(call->device_id());
      if (record != records->end()) reason = ReasonOf(record->second.record.get());
    }
    Refuse(request, *call, reason, answers);
  }
}

void Deliveries::Refuse(const Request& request, const pb::DeliverCall& call, pb::NotSentReason reason,
                        Answers& answers) {
  parts_.metrics.calls.With({reason == pb::NOT_SENT_REASON_OFFLINE ? "offline" : "refused"}).Add();
  *answers[request.stream].add_events() = NotSentEvent(call.call_id(), reason);
}

void Deliveries::ChangeWatches(const Request& request, Answers& answers) {
  std::vector<std::string> watched;
  {
    MutexLock lock(mutex_);
    if (!streams_.contains(request.stream)) return;
    for (const std::string& device_id : request.message->unwatch_device_ids()) {
      watches_.Remove(request.stream, device_id);
    }
    for (const std::string& device_id : request.message->watch_device_ids()) {
      if (watches_.Add(request.stream, device_id)) {
        watched.push_back(device_id);
      } else {
        answers[request.stream].add_watch_refused_device_ids(device_id);
      }
    }
  }
  // Only now, so that a device that connects meanwhile is seen by one of the two.
  for (size_t begin = 0; begin < watched.size(); begin += SessionDirectory::kBatchMax) {
    const size_t end = std::min(begin + SessionDirectory::kBatchMax, watched.size());
    const std::vector<std::string> page(watched.begin() + begin, watched.begin() + end);
    const auto found = FindSessions(page, parts_.directory, parts_.sessions, parts_.edges);
    std::vector<std::string> ready;
    for (size_t i = 0; i < page.size(); ++i) {
      const bool listens = (found[i].entry.subscriptions & pb::SUBSCRIPTION_BIT_METHODS) != 0;
      if (found[i].kind == FoundSession::Kind::kHere && listens) ready.push_back(page[i]);
    }
    OnReady(ready);
  }
}

void Deliveries::OnReady(const std::vector<std::string>& device_ids) {
  Answers answers;
  {
    MutexLock lock(mutex_);
    if (watches_.empty()) return;
    for (const std::string& device_id : device_ids) {
      for (const DispatcherStream stream : watches_.Take(device_id)) answers[stream].add_ready_device_ids(device_id);
    }
  }
  Send(std::move(answers));
}

void Deliveries::OnReports(google::protobuf::RepeatedPtrField<pb::CallReport>& reports) {
  parts_.metrics.reports.Add(reports.size());
  std::vector<RoutedEvent> events;
  events.reserve(static_cast<size_t>(reports.size()));
  const absl::Duration now = parts_.clock.Monotonic();
  {
    MutexLock lock(mutex_);
    for (pb::CallReport& report : reports) events.push_back(table_.OnReport(ToEvent(std::move(report)), now));
  }
  Route(std::move(events));
}

void Deliveries::TakeAnswers(const pb::DeliverRequest& message) {
  const std::vector<std::shared_ptr<const Edge>> edges = parts_.edges.AttachedEdges();
  std::vector<pb::AttachResponse> responses(edges.size());
  {
    MutexLock lock(mutex_);
    for (const pb::TakenAnswer& taken : message.taken_answers()) {
      // A call that was pushed before this process started may be any edge's; the others ignore it.
      const std::optional<EdgeNumber> edge = table_.TakeAnswer(taken.call_id());
      for (size_t i = 0; i < edges.size(); ++i) {
        if (!edge.has_value() || edges[i]->number == *edge) *responses[i].add_taken_answers() = taken;
      }
    }
  }
  for (size_t i = 0; i < edges.size(); ++i) {
    const int count = responses[i].taken_answers_size();
    if (count == 0 || edges[i]->outlet->TrySend(std::move(responses[i]))) continue;
    parts_.metrics.refused.With({"taken"}).Add(count);  // Its devices wait for the deadline of their calls.
  }
}

void Deliveries::OnEdgeEnded(EdgeNumber edge) {
  std::vector<RoutedEvent> events;
  {
    MutexLock lock(mutex_);
    events = table_.OnEdgeLost(edge, parts_.clock.Monotonic());
  }
  Route(std::move(events));
}

void Deliveries::Route(std::vector<RoutedEvent> events) {
  Answers answers;
  std::vector<DispatcherStream> everybody;
  {
    MutexLock lock(mutex_);
    for (const auto& [stream, outlet] : streams_) everybody.push_back(stream);
  }
  for (RoutedEvent& routed : events) {
    if (routed.stream != 0) {
      *answers[routed.stream].add_events() = std::move(routed.event);
      continue;
    }
    parts_.metrics.orphans.Add();
    for (const DispatcherStream stream : everybody) *answers[stream].add_events() = routed.event;
  }
  Send(std::move(answers));
}

void Deliveries::Send(Answers answers) {
  for (auto& [stream, message] : answers) {
    std::shared_ptr<DispatcherOutlet> outlet;
    {
      MutexLock lock(mutex_);
      if (const auto found = streams_.find(stream); found != streams_.end()) outlet = found->second;
    }
    if (outlet != nullptr && outlet->TrySend(message)) continue;
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "dispatcher gone or not keeping up",
                        {{"events", message.events_size()}});
    if (outlet != nullptr) outlet->Abort();
    Redirect(stream, message.events());
  }
}

// A dispatcher that lost its stream may have attached again on another one already; else it gets these when it does.
void Deliveries::Redirect(DispatcherStream lost, const google::protobuf::RepeatedPtrField<pb::DeliverEvent>& events) {
  if (events.empty()) return;
  absl::flat_hash_map<DispatcherStream, std::shared_ptr<DispatcherOutlet>> others;
  {
    MutexLock lock(mutex_);
    others = streams_;
  }
  others.erase(lost);
  bool was_told = false;
  for (const auto& [stream, outlet] : others) {
    pb::DeliverResponse message;
    *message.mutable_events() = events;
    was_told = outlet->TrySend(message) || was_told;
  }
  if (was_told) return;
  MutexLock lock(mutex_);
  for (const pb::DeliverEvent& event : events) table_.KeepOrphan(event, parts_.clock.Monotonic());
}

void Deliveries::OnTime() {
  MutexLock lock(mutex_);
  table_.OnTime(parts_.clock.Monotonic());
}

void Deliveries::AbortAll() {
  absl::flat_hash_map<DispatcherStream, std::shared_ptr<DispatcherOutlet>> streams;
  {
    MutexLock lock(mutex_);
    streams = streams_;
  }
  for (const auto& [stream, outlet] : streams) outlet->Abort();
}

size_t Deliveries::pending_count() const {
  MutexLock lock(mutex_);
  return table_.call_count();
}

size_t Deliveries::watch_count() const {
  MutexLock lock(mutex_);
  return watches_.size();
}

}  // namespace fleetcast::device_connection
