// What a device publishes: telemetry, answers to method calls, twin requests; and the answers to the latter.
#include <algorithm>
#include <optional>
#include <utility>

#include "libs/base/seeded_bug.h"
#include "libs/mqtt/messages.h"
#include "services/mqtt_edge/connection.h"
#include "services/mqtt_edge/twin_document.h"

namespace fleetcast::mqtt_edge {
namespace {

// The request id of the edge's own twin reads. No device can choose it: a topic holds no U+0000.
constexpr std::string_view kCatchUpRequestId("\0catch-up", 9);

}  // namespace

void Connection::HandlePublish(const mqtt::Publish& publish, Turn& turn) {
  using Kind = mqtt::DeviceTopic::Kind;
  if (publish.qos > 1) return Close(CloseReason::kForbiddenTopic, turn);  // D-PUB-2
  const mqtt::DeviceTopic topic = mqtt::ParseDeviceTopic(publish.topic, device_id_);
  const bool is_bad_bag = topic.kind == Kind::kTelemetry && !mqtt::IsPropertyBag(topic.properties);
  if (topic.kind == Kind::kForbidden || is_bad_bag) return Close(CloseReason::kForbiddenTopic, turn);
  if (topic.kind == Kind::kMethodResponse) return HandleAnswer(topic, publish, turn);
  if (publish.qos == 1) SendPuback(publish.packet_id, turn);  // D-PUB-1: before the answer of a twin request.
  if (is_closed()) return;
  switch (topic.kind) {
    case Kind::kTelemetry: return turn.metrics->CountDropped(Dropped::kTelemetry);
    case Kind::kTwinRead:
    case Kind::kReportedPatch: return HandleTwinRequest(topic, publish.payload, turn);
    case Kind::kMethodResponse:
    case Kind::kIgnored:
    case Kind::kForbidden: return turn.metrics->CountDropped(Dropped::kSenselessTopic);
  }
}

// An answer that is dropped gets its PUBACK like any packet: whatever becomes of its call is decided without it.
void Connection::HandleAnswer(const mqtt::DeviceTopic& topic, const mqtt::Publish& publish, Turn& turn) {
  const std::optional<PendingCall> call = EndAnsweredCall(topic, publish.payload, turn);
  const bool waits = call.has_value() && publish.qos == 1 && !IsSeeded(SeededBug::kAckBeforeCommit);
  if (waits) {
    const absl::Duration deadline = turn.now + (call->answer_deadline - turn.wall) + limits_.taken_grace;
    pubacks_.AddWaiting(publish.packet_id, call->call_id, deadline);
  } else if (publish.qos == 1) {
    SendPuback(publish.packet_id, turn);
  }
  if (!call.has_value()) return;
  turn.metrics->methods_answered.Add();
  turn.effects->ReportCall(call->link, {.kind = CallReport::Kind::kAnswer,
                                        .device_status = topic.status,
                                        .call_id = call->call_id,
                                        .epoch = epoch_,
                                        .payload = std::string(publish.payload),
                                        .waits = waits});
}

std::optional<Connection::PendingCall> Connection::EndAnsweredCall(const mqtt::DeviceTopic& topic,
                                                                   std::string_view payload, Turn& turn) {
  if (payload.size() > limits_.answer_bytes_max) {
    turn.metrics->CountDropped(Dropped::kOversizeAnswer);
    return std::nullopt;
  }
  const std::optional<uint64_t> call_id = mqtt::ParseCallId(topic.request_id);
  const auto pending =
      std::find_if(calls_.begin(), calls_.end(), [&](const PendingCall& call) { return call.call_id == call_id; });
  if (pending != calls_.end() && turn.wall <= pending->answer_deadline) {
    const PendingCall call = *pending;
    calls_.erase(pending);
    RememberCall(call.call_id);
    return call;
  }
  if (IsSeeded(SeededBug::kAnswerFromAnySession) && call_id && link_ != kNoLink) {
    return PendingCall{*call_id, turn.wall, link_};
  }
  turn.metrics->CountDropped(Dropped::kLateAnswer);
  return std::nullopt;
}

void Connection::SendPuback(uint16_t packet_id, Turn& turn) {
  if (!pubacks_.empty()) return pubacks_.Add(packet_id);  // D-ORD-1
  mqtt::Encode(mqtt::Puback{packet_id}, turn.output);
  CountMessage(turn);
}

void Connection::OnAnswerTaken(uint64_t call_id, Turn& turn) {
  if (state_ != State::kConnected) return;
  if (!pubacks_.Release(call_id)) return turn.metrics->CountDropped(Dropped::kStaleResult);
  WritePubacks(turn);
  ReadHeld(turn);
}

void Connection::WritePubacks(Turn& turn) {
  const int written = pubacks_.WriteDue(turn.output);
  for (int i = 0; i < written; ++i) CountMessage(turn);
}

void Connection::ExpirePubacks(Turn& turn) {
  const int expired = pubacks_.Expire(turn.now);
  if (expired == 0) return;
  turn.metrics->pubacks_expired.Add(expired);
  WritePubacks(turn);
}

void Connection::HandleTwinRequest(const mqtt::DeviceTopic& topic, std::string_view payload, Turn& turn) {
  if ((wanted_ & kTwinResponsesBit) == 0) return turn.metrics->CountDropped(Dropped::kUnsubscribedTwin);
  const bool is_read = topic.kind == mqtt::DeviceTopic::Kind::kTwinRead;
  if (!is_read && payload.size() > limits_.patch_bytes_max) {
    return AnswerTwinError(topic.request_id, 413, "The patch is larger than 32 KiB.", turn);
  }
  turn.metrics->twin_requests.Add();
  AddTwinRequest({.kind = is_read ? TwinRequest::Kind::kRead : TwinRequest::Kind::kPatch,
                  .is_sent = false,
                  .if_version = topic.version.value_or(0),
                  .deadline = turn.now + limits_.request_timeout,
                  .request_id = std::string(topic.request_id),
                  .patch = is_read ? std::string() : std::string(payload)},
                 turn);
}

void Connection::AddTwinRequest(TwinRequest request, Turn& turn) {
  twin_requests_.push_back(std::move(request));
  if (link_ == kNoLink) link_ = turn.effects->PickLink(device_id_);
  if (link_ != kNoLink) SendTwinRequest(twin_requests_.back(), turn);
}

void Connection::SendTwinRequest(TwinRequest& request, Turn& turn) {
  if (request.is_sent) return;
  request.is_sent = true;
  if (request.kind == TwinRequest::Kind::kPatch) {
    turn.effects->PatchReported(link_, request.request_id, request.patch, request.if_version);
    std::string().swap(request.patch);
  } else {
    turn.effects->ReadTwin(link_, request.request_id);
  }
}

std::vector<Connection::TwinRequest>::iterator Connection::FindTwinRequest(TwinRequest::Kind kind,
                                                                           std::string_view request_id) {
  return std::find_if(twin_requests_.begin(), twin_requests_.end(), [&](const TwinRequest& request) {
    return request.kind == kind && request.is_sent && request.request_id == request_id;
  });
}

void Connection::OnTwinRead(std::string_view request_id, int status, std::string_view document, int64_t desired_version,
                            Turn& turn) {
  if (state_ != State::kConnected) return;
  const bool is_catch_up = request_id == kCatchUpRequestId;
  const auto request =
      FindTwinRequest(is_catch_up ? TwinRequest::Kind::kCatchUp : TwinRequest::Kind::kRead, request_id);
  if (request == twin_requests_.end()) return turn.metrics->CountDropped(Dropped::kStaleResult);
  twin_requests_.erase(request);
  if (is_catch_up) {
    OnCatchUpDocument(status, document, desired_version, turn);
  } else {
    if (status == 200) desired_.OnRead(desired_version);
    mqtt::AppendTwinResponse(status, request_id, std::nullopt, document, turn.output);
    CountMessage(turn);
  }
  ReadHeld(turn);
}

void Connection::OnReportedPatched(std::string_view request_id, int status, int64_t version, std::string_view error,
                                   Turn& turn) {
  if (state_ != State::kConnected) return;
  const auto request = FindTwinRequest(TwinRequest::Kind::kPatch, request_id);
  if (request == twin_requests_.end()) return turn.metrics->CountDropped(Dropped::kStaleResult);
  twin_requests_.erase(request);
  if (status == 204) {
    mqtt::AppendTwinResponse(status, request_id, version, "", turn.output);
  } else {
    mqtt::AppendTwinResponse(status, request_id, std::nullopt, error, turn.output);
  }
  CountMessage(turn);
  ReadHeld(turn);
}

void Connection::AnswerTwinError(std::string_view request_id, int status, std::string_view message, Turn& turn) {
  mqtt::AppendTwinResponse(status, request_id, std::nullopt, TwinError(status, message, turn.wall), turn.output);
  CountMessage(turn);
}

void Connection::ExpireTwinRequests(Turn& turn) {
  for (size_t i = 0; i < twin_requests_.size() && !is_closed();) {
    if (turn.now < twin_requests_[i].deadline) {
      ++i;
      continue;
    }
    const TwinRequest request = std::move(twin_requests_[i]);
    twin_requests_.erase(twin_requests_.begin() + static_cast<std::ptrdiff_t>(i));
    if (request.kind == TwinRequest::Kind::kCatchUp) return Close(CloseReason::kDesiredGap, turn);
    AnswerTwinError(request.request_id, 503, "The hub did not answer in time.", turn);
  }
  ReadHeld(turn);
}

void Connection::RequestCatchUp(Turn& turn) {
  AddTwinRequest({.kind = TwinRequest::Kind::kCatchUp,
                  .is_sent = false,
                  .if_version = 0,
                  .deadline = turn.now + limits_.request_timeout,
                  .request_id = std::string(kCatchUpRequestId),
                  .patch = {}},
                 turn);
}

void Connection::OnCatchUpDocument(int status, std::string_view document, int64_t desired_version, Turn& turn) {
  const std::string_view desired = status == 200 ? DesiredSection(document) : std::string_view();
  if (desired.empty()) return Close(CloseReason::kDesiredGap, turn);
  switch (desired_.OnDocument(desired_version)) {
    case DesiredFeed::CatchUp::kSkip: return;
    case DesiredFeed::CatchUp::kReadAgain: return RequestCatchUp(turn);
    case DesiredFeed::CatchUp::kSend:
      turn.metrics->desired_changes.Add();
      mqtt::AppendDesiredChange(desired_version, desired, turn.output);
      return CountMessage(turn);
  }
}

void Connection::OnDesiredChange(int64_t epoch, int64_t version, std::string_view patch, Turn& turn) {
  if (state_ != State::kConnected || epoch != epoch_) return;
  switch (desired_.OnChange(version)) {
    case DesiredFeed::Verdict::kSkip: return;
    case DesiredFeed::Verdict::kGap: return Close(CloseReason::kDesiredGap, turn);
    case DesiredFeed::Verdict::kSend:
      turn.metrics->desired_changes.Add();
      mqtt::AppendDesiredChange(version, patch, turn.output);
      return CountMessage(turn);
  }
}

}  // namespace fleetcast::mqtt_edge
