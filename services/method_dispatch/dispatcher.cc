#include "services/method_dispatch/dispatcher.h"

#include <algorithm>

#include "libs/base/random.h"
#include "libs/rpc/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/trace.h"
#include "services/method_dispatch/dispatch_messages.h"

namespace fleetcast::method_dispatch {
namespace {

// The longest time without a look at the deadlines; only a bound for the wait.
constexpr absl::Duration kIdleWait = absl::Minutes(1);
// Between looks at calls that wait for credit, whose permits may run out.
constexpr absl::Duration kCreditLook = absl::Milliseconds(100);

}  // namespace

Dispatcher::Dispatcher(const PendingLimits& limits, int64_t scheduler_credit, Clock& clock, telemetry::Metrics& metrics)
    : clock_(clock),
      scheduler_credit_(scheduler_credit),
      boot_id_(RandomId()),
      calls_(limits, SystemRandom().Next() | 1, Now{clock.Monotonic(), clock.Now()}),
      anomalies_(metrics.NewCounters("fleetcast_method_anomalies_total", "Events that changed nothing, and refusals",
                                     {"kind"})),
      roundtrip_seconds_(metrics.NewHistograms("fleetcast_method_roundtrip_seconds",
                                               "Direct calls, from request to answer", {"outcome"},
                                               telemetry::WaitSeconds())) {
  gauges_.push_back(metrics.ReadGauge("fleetcast_method_calls", "Unfinished method calls", [this] {
    MutexLock lock(mutex_);
    return static_cast<double>(calls_.call_count());
  }));
  gauges_.push_back(metrics.ReadGauge("fleetcast_method_results", "Ends that no scheduler has recorded yet", [this] {
    MutexLock lock(mutex_);
    return static_cast<double>(calls_.result_count());
  }));
  timer_ = std::jthread([this](std::stop_token stop) { WatchTime(stop); });
}

Dispatcher::~Dispatcher() = default;

Now Dispatcher::NowOnBothClocks() const { return {clock_.Monotonic(), clock_.Now()}; }

absl::Status Dispatcher::StartDirect(DirectCall call, Reply reply, DirectToken* token) {
  {
    MutexLock lock(mutex_);
    const Now now = NowOnBothClocks();
    *token = next_token_++;
    const absl::Status started = calls_.StartDirect(now, *token, std::move(call), decisions_.actions);
    if (!started.ok()) return started;
    waiting_[*token] = {std::move(reply), now.monotonic};
  }
  CarryOut();
  return absl::OkStatus();
}

void Dispatcher::AbandonDirect(DirectToken token) {
  Waiting waiting;
  {
    MutexLock lock(mutex_);
    const auto found = waiting_.find(token);
    if (found == waiting_.end()) return;  // Its reply is out, or on its way.
    waiting = std::move(found->second);
    waiting_.erase(found);
    calls_.AbandonDirect(token, decisions_.actions);
  }
  CarryOut();
  waiting.reply(absl::CancelledError("the caller has gone"), {});
}

SchedulerStream Dispatcher::AddScheduler(std::shared_ptr<SchedulerOutlet> outlet) {
  MutexLock lock(mutex_);
  pb::DispatchResponse welcome;
  welcome.mutable_hello()->set_boot_id(boot_id_);
  welcome.mutable_hello()->set_boot_unix_micros(absl::ToUnixMicros(calls_.memory_begin()));
  welcome.set_credit(scheduler_credit_);
  outlet->TrySend(std::move(welcome));
  const SchedulerStream stream = next_stream_++;
  schedulers_[stream] = std::move(outlet);
  return stream;
}

void Dispatcher::OnSchedulerMessage(SchedulerStream stream, const pb::DispatchRequest& request) {
  {
    MutexLock lock(mutex_);
    const Now now = NowOnBothClocks();
    for (const pb::ExecutionKey& key : request.acknowledge()) calls_.Acknowledge(FromProto(key), decisions_.actions);
    for (const pb::JobCallBatch& batch : request.batches()) ReadBatch(now, stream, batch);
    for (const std::string& device_id : request.watch_device_ids()) calls_.Watch(stream, device_id, decisions_.actions);
    for (const std::string& device_id : request.unwatch_device_ids())
      calls_.Unwatch(stream, device_id, decisions_.actions);
    for (const pb::ExecutionKey& key : request.recover()) {
      calls_.Recover(stream, FromProto(key), decisions_.actions);
      decisions_.recovered.emplace_back(stream, decisions_.actions.recovered.back());
      decisions_.actions.recovered.pop_back();
    }
  }
  CarryOut();
}

void Dispatcher::ReadBatch(const Now& now, SchedulerStream stream, const pb::JobCallBatch& batch) {
  telemetry::Span span("dispatch batch", {.kind = telemetry::SpanKind::kConsumer,
                                          .parent = telemetry::ParseTraceparent(batch.traceparent())});
  span.SetAttribute("fleetcast.batch_size", int64_t{batch.targets_size()});
  auto request = std::make_shared<pb::MethodRequest>();
  request->set_method(batch.method());
  request->set_payload(batch.payload());
  request->set_traceparent(telemetry::ToTraceparent(span.context()));
  const JobBatch job = {.job_seq = batch.job_seq(),
                        .request = std::move(request),
                        .response_timeout = absl::Microseconds(batch.response_timeout_micros()),
                        .permit_expire = absl::FromUnixMicros(batch.permit_expire_unix_micros())};
  for (const pb::JobCallTarget& target : batch.targets()) {
    calls_.StartJobCall(now, stream, job, {target.position(), target.attempt(), target.device_id()},
                        decisions_.actions);
  }
}

void Dispatcher::RemoveScheduler(SchedulerStream stream) {
  {
    MutexLock lock(mutex_);
    schedulers_.erase(stream);
    calls_.OnSchedulerGone(stream, decisions_.actions);
  }
  CarryOut();
}

size_t Dispatcher::AddDelivery(DeliveryOutlet* outlet) {
  MutexLock lock(mutex_);
  deliveries_.push_back({outlet, false});
  return deliveries_.size() - 1;
}

void Dispatcher::OnDeliveryUp(size_t index) {
  std::vector<std::string> watched;
  DeliveryOutlet* outlet = nullptr;
  {
    MutexLock lock(mutex_);
    deliveries_[index].up = true;
    windows_.Up(index);
    taken_.Up(index);
    outlet = deliveries_[index].outlet;
    watched = calls_.WatchedDevices();
  }
  for (std::span<const std::string> rest(watched); !rest.empty();) {
    const auto page = rest.first(std::min(rest.size(), kWatchesPerMessageMax));
    if (!SendWatch(*outlet, page, {})) RefuseWatches(page);
    rest = rest.subspan(page.size());
  }
  CarryOut();
}

void Dispatcher::OnDeliveryMessage(size_t index, pb::DeliverResponse&& response) {
  {
    MutexLock lock(mutex_);
    const Now now = NowOnBothClocks();
    if (response.credit() > 0) windows_.SetCredit(index, response.credit());
    for (pb::DeliverEvent& event : *response.mutable_events()) {
      windows_.Heard(event.call_id());
      CallOutcome outcome;
      switch (event.event_case()) {
        case pb::DeliverEvent::kSent: outcome = event.sent(); break;
        case pb::DeliverEvent::kNotSent: outcome = event.not_sent(); break;
        case pb::DeliverEvent::kAnswer: outcome = std::move(*event.mutable_answer()); break;
        case pb::DeliverEvent::kUnknown: outcome = event.unknown(); break;
        case pb::DeliverEvent::EVENT_NOT_SET: continue;
      }
      calls_.OnEvent(now, index, event.call_id(), std::move(outcome), decisions_.actions);
    }
    for (const std::string& device_id : response.ready_device_ids()) calls_.OnReady(now, device_id, decisions_.actions);
    for (const std::string& device_id : response.watch_refused_device_ids()) {
      calls_.OnWatchRefused(device_id, decisions_.actions);
    }
  }
  CarryOut();
}

void Dispatcher::OnDeliveryDown(size_t index) {
  // Calls that were pushed through it stay open until their deadline: the edges that hold them may attach again and
  // report.
  MutexLock lock(mutex_);
  deliveries_[index].up = false;
  windows_.Down(index);
  taken_.Down(index);
}

bool Dispatcher::NothingDecided() const {
  const Actions& actions = decisions_.actions;
  return actions.deliver.empty() && actions.replies.empty() && actions.events.empty() && actions.taken.empty() &&
         actions.watch.empty() && actions.unwatch.empty() && actions.ready.empty() && decisions_.recovered.empty() &&
         !windows_.has_work() && !taken_.has_work();
}

void Dispatcher::CarryOut() {
  while (true) {
    Decisions decisions;
    {
      MutexLock lock(mutex_);
      ExportCounts();
      if (NextLook() < timer_at_) deadline_changed_.notify_one();
      if (carrying_out_ || NothingDecided()) return;
      carrying_out_ = true;
      std::swap(decisions, decisions_);
    }
    CarryOut(std::move(decisions));
    MutexLock lock(mutex_);
    carrying_out_ = false;  // What was decided meanwhile is seen by the next turn of this loop.
  }
}

void Dispatcher::CarryOut(Decisions decisions) {
  SendDeliveries(std::move(decisions.actions.deliver));
  SendWatches(decisions.actions.watch, decisions.actions.unwatch);
  SendReplies(std::move(decisions.actions.replies));
  SendTaken(decisions.actions.taken);
  SendToSchedulers(decisions);
}

void Dispatcher::SendDeliveries(std::vector<Actions::Deliver> deliveries) {
  {
    MutexLock lock(mutex_);
    windows_.Push(std::move(deliveries));
  }
  while (std::optional<Sending> sending = NextSending()) {
    std::vector<CallId> calls;
    calls.reserve(sending->calls.size());
    for (const Actions::Deliver& call : sending->calls) calls.push_back(call.call);
    if (sending->outlet->TrySend(ToRequest(std::move(sending->calls)))) continue;
    MutexLock lock(mutex_);
    RefuseUnsent(calls);
  }
  MutexLock lock(mutex_);
  RefuseUnsent(windows_.TakeUnsendable(clock_.Now()));
}

std::optional<Dispatcher::Sending> Dispatcher::NextSending() {
  MutexLock lock(mutex_);
  std::optional<DeliveryWindows::Batch> batch = windows_.Next(kCallsPerMessageMax);
  if (!batch.has_value()) return std::nullopt;
  return Sending{deliveries_[batch->delivery].outlet, std::move(batch->calls)};
}

void Dispatcher::RefuseUnsent(const std::vector<CallId>& calls) {
  if (calls.empty()) return;
  FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "no device_connection takes calls", {{"calls", calls.size()}});
  const Now now = NowOnBothClocks();
  for (const CallId call : calls) {
    windows_.Heard(call);
    pb::NotSent not_sent;
    not_sent.set_reason(pb::NOT_SENT_REASON_OVERLOADED);
    calls_.OnEvent(now, 0, call, std::move(not_sent), decisions_.actions);
  }
}

bool Dispatcher::SendWatch(DeliveryOutlet& outlet, std::span<const std::string> watch,
                           std::span<const std::string> unwatch) {
  pb::DeliverRequest request;
  for (const std::string& device_id : watch) request.add_watch_device_ids(device_id);
  for (const std::string& device_id : unwatch) request.add_unwatch_device_ids(device_id);
  return outlet.TrySend(std::move(request));
}

void Dispatcher::SendWatches(std::span<const std::string> watch, std::span<const std::string> unwatch) {
  if (watch.empty() && unwatch.empty()) return;
  std::vector<DeliveryOutlet*> outlets;
  {
    MutexLock lock(mutex_);
    for (const Delivery& delivery : deliveries_) {
      if (delivery.up) outlets.push_back(delivery.outlet);
    }
  }
  while (!watch.empty() || !unwatch.empty()) {  // All that is let go comes before all that is watched.
    const auto gone = unwatch.first(std::min(unwatch.size(), kWatchesPerMessageMax));
    const auto added = watch.first(gone.size() < unwatch.size() ? 0 : std::min(watch.size(), kWatchesPerMessageMax));
    // Every replica is asked: the device may come back through any of them.
    bool is_sent = true;
    for (DeliveryOutlet* outlet : outlets) is_sent = SendWatch(*outlet, added, gone) && is_sent;
    if (!is_sent) RefuseWatches(added);
    unwatch = unwatch.subspan(gone.size());
    watch = watch.subspan(added.size());
  }
}

void Dispatcher::RefuseWatches(std::span<const std::string> device_ids) {
  MutexLock lock(mutex_);
  for (const std::string& device_id : device_ids) calls_.OnWatchRefused(device_id, decisions_.actions);
}

void Dispatcher::SendReplies(std::vector<Actions::Reply> replies) {
  for (Actions::Reply& reply : replies) {
    Waiting waiting;
    {
      MutexLock lock(mutex_);
      const auto found = waiting_.find(reply.token);
      if (found == waiting_.end()) continue;
      waiting = std::move(found->second);
      waiting_.erase(found);
    }
    const std::string_view outcome = reply.status.ok() ? "answered" : rpc::CodeName(reply.status.code());
    roundtrip_seconds_.With({outcome}).Observe(absl::ToDoubleSeconds(clock_.Monotonic() - waiting.started));
    waiting.reply(reply.status, reply.answer);
  }
}

void Dispatcher::SendTaken(const std::vector<WaitingAnswer>& taken) {
  std::unique_lock<Mutex> lock(mutex_);
  taken_.Push(taken);
  while (std::optional<TakenAnswers::Batch> batch = taken_.Next(kCallsPerMessageMax)) {
    DeliveryOutlet* outlet = deliveries_[batch->delivery].outlet;
    lock.unlock();
    const bool is_sent = outlet->TrySend(ToRequest(batch->answers));
    lock.lock();
    if (!is_sent) taken_.PutBack(*std::move(batch));
  }
}

void Dispatcher::SendToSchedulers(Decisions& decisions) {
  std::map<SchedulerStream, pb::DispatchResponse> responses;
  for (auto& [stream, recovered] : decisions.recovered) {
    pb::RecoverResult* result = responses[stream].add_recovered();
    *result->mutable_key() = ToProto(recovered.key);
    result->set_knowledge(ToProto(recovered.knowledge));
  }
  for (Actions::Event& each : decisions.actions.events) {
    pb::JobCallEvent* event = responses[each.stream].add_events();
    *event->mutable_key() = ToProto(each.key);
    SetOutcome(each.outcome, event);
  }
  for (auto& [stream, device_id] : decisions.actions.ready)
    responses[stream].add_ready_device_ids(std::move(device_id));
  for (auto& [stream, device_id] : decisions.actions.watch_refused) {
    responses[stream].add_watch_refused_device_ids(std::move(device_id));
  }
  for (auto& [stream, response] : responses) {
    std::shared_ptr<SchedulerOutlet> outlet;
    {
      MutexLock lock(mutex_);
      const auto found = schedulers_.find(stream);
      if (found != schedulers_.end()) outlet = found->second;
    }
    // A scheduler that does not keep up is sent away: ends are kept, it asks for them when it is back.
    if (outlet != nullptr && !outlet->TrySend(std::move(response))) outlet->Close();
  }
}

void Dispatcher::ExportCounts() {
  const PendingCounts& counts = calls_.counts();
  const auto add = [&](std::string_view kind, int64_t PendingCounts::*member) {
    const int64_t grown = counts.*member - exported_.*member;
    if (grown > 0) anomalies_.With({kind}).Add(static_cast<double>(grown));
  };
  add("late_event", &PendingCounts::late_events);
  add("fenced_answer", &PendingCounts::fenced_answers);
  add("refused_call", &PendingCounts::refused_calls);
  add("refused_watch", &PendingCounts::refused_watches);
  add("expired_result", &PendingCounts::expired_results);
  exported_ = counts;
  const int64_t untold = taken_.dropped() - std::exchange(exported_untold_, taken_.dropped());
  if (untold > 0) anomalies_.With({"untold_answer"}).Add(static_cast<double>(untold));
}

absl::Duration Dispatcher::NextLook() const {
  if (windows_.waiting() == 0) return calls_.NextDeadline();
  return std::min(calls_.NextDeadline(), clock_.Monotonic() + kCreditLook);
}

void Dispatcher::WatchTime(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock<Mutex> lock(mutex_);
      timer_at_ = NextLook();
      const absl::Duration wait = std::clamp(timer_at_ - clock_.Monotonic(), absl::ZeroDuration(), kIdleWait);
      deadline_changed_.wait_for(lock, stop, absl::ToChronoNanoseconds(wait),
                                 [this] { return NextLook() < timer_at_; });
      calls_.OnTime(NowOnBothClocks(), decisions_.actions);
      RefuseUnsent(windows_.TakeUnsendable(clock_.Now()));
    }
    CarryOut();
  }
}

}  // namespace fleetcast::method_dispatch
