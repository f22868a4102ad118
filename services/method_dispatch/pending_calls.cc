#include "services/method_dispatch/pending_calls.h"

#include <algorithm>

#include "libs/base/seeded_bug.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"

namespace fleetcast::method_dispatch {
namespace {

absl::Status NotOnline(std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reasons::kDeviceNotOnline, message);
}

absl::Status TooManyInFlight() {
  return MakeError(absl::StatusCode::kResourceExhausted, reasons::kTooManyInFlight,
                   "too many method calls in flight to this device");
}

// What the caller of a direct call hears when the request was not sent and will not be.
absl::Status FinalStatus(pb::NotSentReason reason) {
  switch (reason) {
    case pb::NOT_SENT_REASON_DEVICE_NOT_FOUND:
      return MakeError(absl::StatusCode::kNotFound, reasons::kDeviceNotFound, "the device is not registered");
    case pb::NOT_SENT_REASON_DEVICE_DISABLED: return NotOnline("the device is disabled");
    case pb::NOT_SENT_REASON_NOT_SUBSCRIBED: return NotOnline("the device is connected but does not listen to methods");
    case pb::NOT_SENT_REASON_BUSY: return TooManyInFlight();
    case pb::NOT_SENT_REASON_TOO_LARGE:
      return MakeError(absl::StatusCode::kInvalidArgument, reasons::kPayloadTooLarge,
                       "the request is larger than the packets that the device takes; nothing was sent");
    case pb::NOT_SENT_REASON_OVERLOADED:
    case pb::NOT_SENT_REASON_PERMIT_EXPIRED:
      return MakeError(absl::StatusCode::kResourceExhausted, reasons::kServerBusy,
                       "the way to the device is overloaded; nothing was sent");
    default: return NotOnline("the device is not connected");
  }
}

// Whether the same request may be delivered at once again: the way failed, not the device.
bool IsWayFailure(pb::NotSentReason reason) {
  return reason == pb::NOT_SENT_REASON_STALE_ROUTE || reason == pb::NOT_SENT_REASON_PERMIT_EXPIRED ||
         reason == pb::NOT_SENT_REASON_OVERLOADED;
}

// Whether waiting for the device to connect and subscribe can help.
bool IsAbsence(pb::NotSentReason reason) {
  return reason == pb::NOT_SENT_REASON_OFFLINE || reason == pb::NOT_SENT_REASON_NOT_SUBSCRIBED;
}

// What waits when `outcome` came through stream `from`.
std::optional<WaitingAnswer> WaitingOf(DeliveryIndex from, CallId call, const CallOutcome& outcome) {
  const auto* answer = std::get_if<pb::Answer>(&outcome);
  if (answer == nullptr || answer->waiting_session() == 0) return std::nullopt;
  return WaitingAnswer{from, call, answer->waiting_session()};
}

}  // namespace

PendingCalls::PendingCalls(const PendingLimits& limits, uint64_t seed, const Now& now)
    : limits_(limits), ids_(seed), memory_begin_(now.wall), ended_(limits.ended_max) {}

absl::Status PendingCalls::StartDirect(const Now& now, DirectToken token, DirectCall direct, Actions& actions) {
  const auto device = devices_.find(direct.device_id);
  if (device != devices_.end() && device->second.calls >= limits_.calls_per_device_max) {
    ++counts_.refused_calls;
    return TooManyInFlight();
  }
  if (calls_.size() >= limits_.calls_max) {
    ++counts_.refused_calls;
    return MakeError(absl::StatusCode::kResourceExhausted, reasons::kServerBusy, "too many unfinished method calls");
  }
  auto call = std::make_unique<PendingCall>();
  call->device_id = std::move(direct.device_id);
  call->owner = DirectOwner{.token = token,
                            .request = std::move(direct.request),
                            .connect_deadline = now.monotonic + direct.connect_timeout,
                            .answer_deadline = now.monotonic + direct.response_timeout};
  const CallId id = Insert(std::move(call));
  direct_[token] = id;
  Deliver(now, id, *calls_[id], actions);
  return absl::OkStatus();
}

void PendingCalls::AbandonDirect(DirectToken token, Actions& actions) {
  const auto found = direct_.find(token);
  if (found == direct_.end()) return;
  const auto position = calls_.find(found->second);
  std::get<DirectOwner>(position->second->owner).abandoned = true;
  // What is on its way or sent stays until it ends: it still counts against the device's limit.
  if (position->second->phase == CallPhase::kWaiting) Erase(position, actions);
}

void PendingCalls::OnEvent(const Now& now, DeliveryIndex from, CallId id, CallOutcome outcome, Actions& actions) {
  const Waiting waiting = WaitingOf(from, id, outcome);
  const auto position = calls_.find(id);
  if (position == calls_.end()) {
    OnLateEvent(waiting, actions);
    return;
  }
  PendingCall& call = *position->second;
  if (auto* sent = std::get_if<pb::Sent>(&outcome)) {
    if (call.phase != CallPhase::kDelivering) return;
    call.phase = CallPhase::kSent;
    call.session_epoch = sent->session_epoch();
    if (auto* job = std::get_if<JobOwner>(&call.owner)) {
      SetDeadline(id, call, now.monotonic + job->response_timeout);
      if (job->stream != 0) actions.events.push_back({job->stream, job->key, std::move(outcome)});
    }
    return;
  }
  if (const auto* answer = std::get_if<pb::Answer>(&outcome)) {
    const bool accepts_any = IsSeeded(SeededBug::kAnswerFromAnySession);
    if (call.phase == CallPhase::kSent && answer->session_epoch() != call.session_epoch && !accepts_any) {
      ++counts_.fenced_answers;
      if (waiting.has_value()) actions.taken.push_back(*waiting);
      return;
    }
  }
  if (const auto* not_sent = std::get_if<pb::NotSent>(&outcome)) {
    // Proof counts only for what nobody has claimed to have sent.
    if (call.phase != CallPhase::kDelivering) return;
    if (std::holds_alternative<DirectOwner>(call.owner)) {
      OnDirectNotSent(now, position, not_sent->reason(), actions);
      return;
    }
  }
  Finish(now, position, std::move(outcome), waiting, actions);
}

void PendingCalls::OnLateEvent(const Waiting& waiting, Actions& actions) {
  ++counts_.late_events;
  // An answer that came twice, because the first report was not acknowledged, may still be on its way to a commit.
  if (waiting.has_value() && ended_.Contains(waiting->call) && !untaken_.contains(waiting->call)) {
    actions.taken.push_back(*waiting);
  }
}

void PendingCalls::OnDirectNotSent(const Now& now, Calls::iterator position, pb::NotSentReason reason,
                                   Actions& actions) {
  PendingCall& call = *position->second;
  DirectOwner& direct = std::get<DirectOwner>(call.owner);
  if (direct.abandoned) {
    Erase(position, actions);
    return;
  }
  const bool way_failed = IsWayFailure(reason);
  if (way_failed && direct.redeliveries < limits_.redeliveries_max && now.monotonic < direct.answer_deadline) {
    ++direct.redeliveries;
    Redeliver(now, position, actions);
    return;
  }
  if ((way_failed || IsAbsence(reason)) && now.monotonic < direct.connect_deadline) {
    AwaitDevice(position->first, call, actions);
    return;
  }
  FinishDirect(position, FinalStatus(reason), {}, actions);
}

void PendingCalls::OnReady(const Now& now, const std::string& device_id, Actions& actions) {
  if (!IsWatched(device_id)) return;
  // Told once, then forgotten: whoever still wants to know asks again.
  const std::vector<SchedulerStream> watchers = watchers_.Take(device_id);
  std::vector<CallId> waiting;
  if (const auto found = devices_.find(device_id); found != devices_.end()) waiting.swap(found->second.waiting);
  UnwatchIfIdle(device_id, true, actions);
  for (const SchedulerStream stream : watchers) actions.ready.push_back({stream, device_id});
  for (const CallId id : waiting) Redeliver(now, calls_.find(id), actions);
}

void PendingCalls::OnTime(const Now& now, Actions& actions) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now.monotonic) {
    const auto position = calls_.find(deadlines_.begin()->second);
    PendingCall& call = *position->second;
    if (call.phase == CallPhase::kWaiting) {
      FinishDirect(position, NotOnline("timed out waiting for the device to connect"), {}, actions);
      continue;
    }
    pb::Unknown unknown;
    unknown.set_reason(pb::UNKNOWN_REASON_RESPONSE_TIMEOUT);
    Finish(now, position, std::move(unknown), std::nullopt, actions);
  }
}

absl::Duration PendingCalls::NextDeadline() const {
  return deadlines_.empty() ? absl::InfiniteDuration() : deadlines_.begin()->first;
}

CallId PendingCalls::NewId(const PendingCall& call) {
  for (;;) {
    const auto* job = std::get_if<JobOwner>(&call.owner);
    const CallId id = job == nullptr ? ids_.NextDirect() : ids_.Next(job->key);
    if (!calls_.contains(id)) return id;
  }
}

bool PendingCalls::IsWatched(const std::string& device_id) const {
  if (watchers_.contains(device_id)) return true;
  const auto device = devices_.find(device_id);
  return device != devices_.end() && !device->second.waiting.empty();
}

CallId PendingCalls::Insert(std::unique_ptr<PendingCall> call) {
  const CallId id = NewId(*call);
  ++devices_[call->device_id].calls;
  calls_.emplace(id, std::move(call));
  return id;
}

void PendingCalls::SetDeadline(CallId id, PendingCall& call, absl::Duration deadline) {
  deadlines_.erase({call.deadline, id});
  call.deadline = deadline;
  deadlines_.insert({deadline, id});
}

void PendingCalls::Deliver(const Now& now, CallId id, PendingCall& call, Actions& actions) {
  const DirectOwner& direct = std::get<DirectOwner>(call.owner);
  const absl::Duration left = direct.answer_deadline - now.monotonic;
  call.phase = CallPhase::kDelivering;
  SetDeadline(id, call, direct.answer_deadline);
  actions.deliver.push_back({.call = id,
                             .device_id = call.device_id,
                             .request = direct.request,
                             .permit_expire = now.wall + std::min(limits_.permit, left),
                             .answer_deadline = now.wall + left});
}

// Each delivery has an id of its own: edges repeat what they reported when a stream was lost, and a NOT_SENT of the
// first delivery must not pass for proof about the second.
void PendingCalls::Redeliver(const Now& now, Calls::iterator position, Actions& actions) {
  std::unique_ptr<PendingCall> call = std::move(position->second);
  deadlines_.erase({call->deadline, position->first});
  calls_.erase(position);
  const CallId id = NewId(*call);
  PendingCall& again = *call;
  calls_.emplace(id, std::move(call));
  direct_[std::get<DirectOwner>(again.owner).token] = id;
  Deliver(now, id, again, actions);
}

void PendingCalls::AwaitDevice(CallId id, PendingCall& call, Actions& actions) {
  Device& device = devices_[call.device_id];
  if (!IsWatched(call.device_id)) {
    ++watched_devices_;
    actions.watch.push_back(call.device_id);
  }
  device.waiting.push_back(id);
  call.phase = CallPhase::kWaiting;
  SetDeadline(id, call, std::get<DirectOwner>(call.owner).connect_deadline);
}

void PendingCalls::StopWaiting(CallId id, PendingCall& call, Actions& actions) {
  Device& device = devices_[call.device_id];
  const auto place = std::find(device.waiting.begin(), device.waiting.end(), id);
  if (place == device.waiting.end()) return;
  device.waiting.erase(place);
  UnwatchIfIdle(call.device_id, true, actions);
}

void PendingCalls::UnwatchIfIdle(const std::string& device_id, bool was_watched, Actions& actions) {
  if (was_watched && !IsWatched(device_id)) {
    --watched_devices_;
    actions.unwatch.push_back(device_id);
  }
  const auto device = devices_.find(device_id);
  if (device != devices_.end() && device->second.calls == 0 && device->second.waiting.empty()) devices_.erase(device);
}

void PendingCalls::Finish(const Now& now, Calls::iterator position, CallOutcome outcome, const Waiting& waiting,
                          Actions& actions) {
  if (std::holds_alternative<JobOwner>(position->second->owner)) {
    FinishJob(now, position, std::move(outcome), waiting, actions);
    return;
  }
  if (waiting.has_value()) actions.taken.push_back(*waiting);
  if (auto* answer = std::get_if<pb::Answer>(&outcome)) {
    FinishDirect(position, absl::OkStatus(), std::move(*answer), actions);
    return;
  }
  const bool silent = std::get<pb::Unknown>(outcome).reason() == pb::UNKNOWN_REASON_RESPONSE_TIMEOUT;
  FinishDirect(position,
               silent ? MakeError(absl::StatusCode::kDeadlineExceeded, reasons::kResponseTimeout,
                                  "no answer from the device in time; the method may have run")
                      : MakeError(absl::StatusCode::kAborted, reasons::kConnectionClosed,
                                  "the connection was lost while waiting for the answer; the method may have run"),
               {}, actions);
}

void PendingCalls::FinishDirect(Calls::iterator position, absl::Status status, pb::Answer answer, Actions& actions) {
  const DirectOwner& direct = std::get<DirectOwner>(position->second->owner);
  if (!direct.abandoned) actions.replies.push_back({direct.token, std::move(status), std::move(answer)});
  Erase(position, actions);
}

void PendingCalls::Erase(Calls::iterator position, Actions& actions) {
  PendingCall& call = *position->second;
  deadlines_.erase({call.deadline, position->first});
  if (const auto* direct = std::get_if<DirectOwner>(&call.owner)) {
    direct_.erase(direct->token);
    if (call.phase == CallPhase::kWaiting) StopWaiting(position->first, call, actions);
  } else {
    jobs_.erase(std::get<JobOwner>(call.owner).key);
  }
  --devices_[call.device_id].calls;
  UnwatchIfIdle(call.device_id, false, actions);
  ended_.Add(position->first);
  calls_.erase(position);
}

}  // namespace fleetcast::method_dispatch
