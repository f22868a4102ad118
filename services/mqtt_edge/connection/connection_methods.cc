// Method calls: written at most once, and only while their permit lives.
#include <algorithm>
#include <utility>

#include "libs/mqtt/messages.h"
#include "services/mqtt_edge/connection/connection.h"

namespace fleetcast::mqtt_edge {
namespace {

// Whole seconds, rounded up: nothing expires early.
uint32_t SecondsUntil(absl::Time end, absl::Time now) {
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(end - now, absl::Seconds(1)));
  return static_cast<uint32_t>(std::clamp<int64_t>(seconds, 0, UINT32_MAX));
}

}  // namespace

void Connection::OnMethodCall(const MethodCall& call, Turn& turn) {
  using Reason = CallReport::Reason;
  // What was reported about the first one stands; NOT_SENT would be a lie, whatever else is wrong with the repeat.
  if (HasSeenCall(call.call_id)) return turn.metrics->CountDropped(Dropped::kDuplicateCall);
  if (state_ != State::kConnected || call.epoch != epoch_) return RefuseCall(call, Reason::kStaleRoute, turn);
  ExpireCalls(turn);
  if ((subscriptions_ & kMethodsBit) == 0) return RefuseCall(call, Reason::kNotSubscribed, turn);
  if (calls_.size() + queued_calls_.size() >= limits_.calls_max) return RefuseCall(call, Reason::kBusy, turn);
  if (turn.backlog_bytes == 0) return WriteCall(call, turn);
  const bool has_room = turn.backlog_bytes + call.payload.size() <= limits_.backlog_bytes_max;
  if (!has_room) return RefuseCall(call, Reason::kBusy, turn);
  const absl::Duration deadline = turn.now + (call.permit_expire - turn.wall);
  queued_calls_.push_back(
      {call, deadline, std::string(call.method), std::string(call.payload), std::string(call.traceparent)});
}

void Connection::WriteCall(const MethodCall& call, Turn& turn) {
  if (turn.wall >= call.permit_expire) return RefuseCall(call, CallReport::Reason::kPermitExpired, turn);
  const std::string_view payload = call.payload.empty() ? "null" : call.payload;
  const size_t begin = turn.output->size();
  std::string user;  // Nearly always empty.
  if (is_level5() && !call.traceparent.empty()) mqtt::AppendUserProperty(kTraceparent, call.traceparent, &user);
  const mqtt::PublishProperties properties{.message_expiry_seconds = SecondsUntil(call.answer_deadline, turn.wall),
                                           .user = mqtt::UserProperties(user)};
  mqtt::AppendMethodRequest(call.method, call.call_id, payload, turn.output, is_level5() ? &properties : nullptr);
  if (!user.empty() &&
      turn.output->size() - begin > level5_->packet_bytes_max) {  // The call is worth more than its trace.
    turn.output->resize(begin);
    const mqtt::PublishProperties plain{.message_expiry_seconds = properties.message_expiry_seconds};
    mqtt::AppendMethodRequest(call.method, call.call_id, payload, turn.output, &plain);
  }
  if (!FitsDevice(begin, turn)) return RefuseCall(call, CallReport::Reason::kTooLarge, turn);
  calls_.push_back({call.call_id, call.answer_deadline, call.link});
  turn.metrics->methods_sent.Add();
  turn.effects->ReportCall(call.link, {.kind = CallReport::Kind::kSent,
                                       .call_id = call.call_id,
                                       .epoch = epoch_,
                                       .sent_unix_micros = absl::ToUnixMicros(turn.wall)});
}

void Connection::RefuseCall(const MethodCall& call, CallReport::Reason reason, Turn& turn) {
  turn.metrics->methods_not_sent.Add();
  turn.effects->ReportCall(call.link, {.kind = CallReport::Kind::kNotSent, .reason = reason, .call_id = call.call_id});
}

void Connection::WriteQueuedCalls(Turn& turn) {
  const std::vector<QueuedCall> queued = std::exchange(queued_calls_, {});
  for (const QueuedCall& entry : queued) {
    MethodCall call = entry.call;
    call.method = entry.method;
    call.payload = entry.payload;
    call.traceparent = entry.traceparent;
    WriteCall(call, turn);
  }
}

void Connection::ExpireCalls(Turn& turn) {
  // Whoever waits for the answer has its own deadline; the edge only forgets.
  std::erase_if(calls_, [&](const PendingCall& call) {
    if (turn.wall <= call.answer_deadline) return false;
    RememberCall(call.call_id);
    return true;
  });
  std::erase_if(queued_calls_, [&](const QueuedCall& queued) {
    if (turn.wall < queued.call.permit_expire) return false;
    RefuseCall(queued.call, CallReport::Reason::kPermitExpired, turn);
    return true;
  });
}

bool Connection::HasSeenCall(uint64_t call_id) const {
  const auto is_it = [call_id](const auto& call) { return call.call_id == call_id; };
  return std::any_of(calls_.begin(), calls_.end(), is_it) ||
         std::any_of(queued_calls_.begin(), queued_calls_.end(),
                     [&](const QueuedCall& queued) { return is_it(queued.call); }) ||
         std::find(ended_calls_.begin(), ended_calls_.end(), call_id) != ended_calls_.end();
}

void Connection::RememberCall(uint64_t call_id) {
  if (ended_calls_.size() < limits_.ended_calls_max) {
    ended_calls_.push_back(call_id);
    return;
  }
  ended_calls_[next_ended_call_] = call_id;
  next_ended_call_ = static_cast<uint8_t>((next_ended_call_ + 1) % ended_calls_.size());
}

}  // namespace fleetcast::mqtt_edge
