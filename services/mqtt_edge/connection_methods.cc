// Method calls: written at most once, and only while their permit lives.
#include <algorithm>
#include <utility>

#include "libs/mqtt/messages.h"
#include "services/mqtt_edge/connection.h"

namespace fleetcast::mqtt_edge {

void Connection::OnMethodCall(const MethodCall& call, Turn& turn) {
  using Reason = CallReport::Reason;
  if (state_ != State::kConnected || call.epoch != epoch_) return RefuseCall(call, Reason::kStaleRoute, turn);
  ExpireCalls(turn);
  const auto has_id = [&](const auto& known, uint64_t id) {
    return std::any_of(known.begin(), known.end(), [&](const auto& entry) { return entry.call_id == id; });
  };
  const bool is_queued = std::any_of(queued_calls_.begin(), queued_calls_.end(),
                                     [&](const QueuedCall& queued) { return queued.call.call_id == call.call_id; });
  // What was reported about the first one stands; NOT_SENT would be a lie.
  if (is_queued || has_id(calls_, call.call_id)) return turn.metrics->CountDropped(Dropped::kDuplicateCall);
  if ((subscriptions_ & kMethodsBit) == 0) return RefuseCall(call, Reason::kNotSubscribed, turn);
  if (calls_.size() + queued_calls_.size() >= limits_.calls_max) return RefuseCall(call, Reason::kBusy, turn);
  if (turn.backlog_bytes == 0) return WriteCall(call, turn);
  const bool has_room = turn.backlog_bytes + call.payload.size() <= limits_.backlog_bytes_max;
  if (!has_room) return RefuseCall(call, Reason::kBusy, turn);
  const absl::Duration deadline = turn.now + (call.permit_expire - turn.wall);
  queued_calls_.push_back({call, deadline, std::string(call.method), std::string(call.payload)});
}

void Connection::WriteCall(const MethodCall& call, Turn& turn) {
  if (turn.wall >= call.permit_expire) return RefuseCall(call, CallReport::Reason::kPermitExpired, turn);
  const std::string_view payload = call.payload.empty() ? "null" : call.payload;
  mqtt::AppendMethodRequest(call.method, call.call_id, payload, turn.output);
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
    WriteCall(call, turn);
  }
}

void Connection::ExpireCalls(Turn& turn) {
  // Whoever waits for the answer has its own deadline; the edge only forgets.
  std::erase_if(calls_, [&](const PendingCall& call) { return turn.wall > call.answer_deadline; });
  std::erase_if(queued_calls_, [&](const QueuedCall& queued) {
    if (turn.wall < queued.call.permit_expire) return false;
    RefuseCall(queued.call, CallReport::Reason::kPermitExpired, turn);
    return true;
  });
}

}  // namespace fleetcast::mqtt_edge
