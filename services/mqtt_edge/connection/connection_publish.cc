// What a device publishes: answers to method calls, twin requests; and the answers to the latter.
#include <algorithm>
#include <optional>
#include <utility>

#include "libs/base/seeded_bug.h"
#include "libs/mqtt/messages.h"
#include "libs/mqtt/utf8.h"
#include "services/mqtt_edge/connection/connection.h"
#include "services/mqtt_edge/connection/twin_document.h"

namespace fleetcast::mqtt_edge {
namespace {

// The request id of the edge's own twin reads. No device can choose it: a topic holds no U+0000.
constexpr std::string_view kCatchUpRequestId("\0catch-up", 9);

}  // namespace

void Connection::HandlePublish(const mqtt::Publish& publish, Turn& turn) {
  using Kind = mqtt::DeviceTopic::Kind;
  if (publish.qos > 1 && !is_level5()) return Close(CloseReason::kForbiddenTopic, turn);  // D-PUB-2
  std::string_view name = publish.topic;
  const mqtt::ReasonCode check = CheckPublish(publish, &name);
  if (mqtt::IsFailure(check)) return CloseWith(CloseReason::kProtocol, check, turn);
  const mqtt::DeviceTopic topic = mqtt::ParseDeviceTopic(name, device_id_);
  const bool is_bad_bag = topic.kind == Kind::kTelemetry && !mqtt::IsPropertyBag(topic.properties);
  if (topic.kind == Kind::kForbidden) {
    return RefusePublish(publish, RefusalOf(name, mqtt::ReasonCode::kTopicNameInvalid), turn);
  }
  if (is_bad_bag) return RefusePublish(publish, mqtt::ReasonCode::kTopicNameInvalid, turn);
  if (publish.properties.is_text.value_or(false) && !mqtt::IsUtf8(publish.payload)) {
    return RefusePublish(publish, mqtt::ReasonCode::kPayloadFormatInvalid, turn);
  }
  if (topic.kind == Kind::kTelemetry) return HandleTelemetry(topic, publish, turn);
  if (topic.kind == Kind::kMethodResponse) return HandleAnswer(topic, publish, turn);
  if (publish.qos == 1) SendPuback(publish.packet_id, turn);  // D-PUB-1: before the answer of a twin request.
  if (is_closed()) return;
  switch (topic.kind) {
    case Kind::kTwinRead:
    case Kind::kReportedPatch: return HandleTwinRequest(topic, publish, turn);
    case Kind::kTelemetry:
    case Kind::kMethodResponse:
    case Kind::kIgnored:
    case Kind::kForbidden: return turn.metrics->CountDropped(Dropped::kSenselessTopic);
  }
}

mqtt::ReasonCode Connection::CheckPublish(const mqtt::Publish& publish, std::string_view* topic) {
  using mqtt::ReasonCode;
  if (!is_level5()) return ReasonCode::kSuccess;
  const bool is_over_quota = publish.qos > 0 && pubacks_.size() >= limits_.pubacks_max;
  if (publish.qos > 1) return ReasonCode::kQosNotSupported;                               // MQTT-3.2.2-11
  if (publish.retain) return ReasonCode::kRetainNotSupported;                             // MQTT-3.2.2-14
  if (publish.properties.subscription_id.has_value()) return ReasonCode::kProtocolError;  // MQTT-3.3.4-6
  if (is_over_quota) return ReasonCode::kReceiveMaximumExceeded;                          // MQTT-3.3.4-7
  return level5_->aliases.Resolve(publish.properties.topic_alias, topic);
}

// At level 5 a device that waits for a PUBACK is told in it, and stays; else the connection ends (D-PUB-4, -5).
void Connection::RefusePublish(const mqtt::Publish& publish, mqtt::ReasonCode code, Turn& turn) {
  if (!is_level5() || publish.qos == 0) return CloseWith(CloseReason::kForbiddenTopic, code, turn);
  turn.metrics->CountDropped(Dropped::kRefusedPublish);
  SendPuback(publish.packet_id, turn, code);
}

// An answer that is dropped gets its PUBACK like any packet: whatever becomes of its call is decided without it.
void Connection::HandleAnswer(const mqtt::DeviceTopic& topic, const mqtt::Publish& publish, Turn& turn) {
  const std::optional<PendingCall> call = EndAnsweredCall(topic, publish.payload, turn);
  const bool waits = call.has_value() && publish.qos == 1 && !IsSeeded(SeededBug::kAckBeforeCommit);
  if (waits) {
    const absl::Duration deadline = turn.now + (call->answer_deadline - turn.wall) + limits_.taken_grace;
    pubacks_.AddWaiting(publish.packet_id, call->call_id, deadline);
  } else if (publish.qos == 1) {
    const bool is_oversize = publish.payload.size() > limits_.answer_bytes_max;
    SendPuback(publish.packet_id, turn, is_oversize ? mqtt::ReasonCode::kQuotaExceeded : mqtt::ReasonCode::kSuccess);
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

void Connection::SendPuback(uint16_t packet_id, Turn& turn, mqtt::ReasonCode reason) {
  if (!pubacks_.empty()) return pubacks_.Add(packet_id, reason);  // D-ORD-1
  mqtt::Encode(mqtt::Puback{packet_id, reason}, turn.output, level());
  CountMessage(turn);
}

void Connection::OnAnswerTaken(uint64_t call_id, Turn& turn) {
  if (state_ != State::kConnected) return;
  if (!pubacks_.Release(call_id)) return turn.metrics->CountDropped(Dropped::kStaleResult);
  WritePubacks(turn);
  ReadHeld(turn);
}

void Connection::WritePubacks(Turn& turn) {
  const int written = pubacks_.WriteDue(level(), turn.output);
  for (int i = 0; i < written; ++i) CountMessage(turn);
}

void Connection::ExpirePubacks(Turn& turn) {
  const int expired = pubacks_.Expire(turn.now);
  if (expired == 0) return;
  turn.metrics->pubacks_expired.Add(expired);
  WritePubacks(turn);
}

void Connection::HandleTwinRequest(const mqtt::DeviceTopic& topic, const mqtt::Publish& publish, Turn& turn) {
  if ((wanted_ & kTwinResponsesBit) == 0) return turn.metrics->CountDropped(Dropped::kUnsubscribedTwin);
  const bool is_read = topic.kind == mqtt::DeviceTopic::Kind::kTwinRead;
  TwinRequest request{.kind = is_read ? TwinRequest::Kind::kRead : TwinRequest::Kind::kPatch,
                      .is_sent = false,
                      .if_version = topic.version.value_or(0),
                      .due = turn.now,
                      .deadline = turn.now + limits_.request_timeout,
                      .request_id = std::string(topic.request_id),
                      .patch = {}};
  const std::string_view response_topic = publish.properties.response_topic.value_or("");
  const std::string_view correlation_data = publish.properties.correlation_data.value_or("");
  if (std::max(response_topic.size(), correlation_data.size()) > limits_.echo_bytes_max) {
    return AnswerTwinError(request, 400, "A response topic or correlation data is longer than 256 bytes.", turn);
  }
  request.response_topic = std::string(response_topic);
  request.correlation_data = std::string(correlation_data);
  request.traceparent = TraceparentOf(publish.properties.user);
  if (!is_read && publish.payload.size() > limits_.patch_bytes_max) {
    return AnswerTwinError(request, 413, "The patch is larger than 32 KiB.", turn);
  }
  if (!TryTwinRequest(request, turn)) return;
  if (!is_read) request.patch = std::string(publish.payload);
  turn.metrics->twin_requests.Add();
  AddTwinRequest(std::move(request), turn);
}

void Connection::AddTwinRequest(TwinRequest request, Turn& turn) {
  twin_requests_.push_back(std::move(request));
  SendTwinRequests(turn);
}

// In the order in which they came. The connection's own are none of the device's, and wait for nothing.
void Connection::SendTwinRequests(Turn& turn) {
  if (state_ != State::kConnected || twin_requests_.empty()) return;
  if (link_ == kNoLink) link_ = turn.effects->PickLink(device_id_);
  size_t in_flight = 0;
  for (TwinRequest& request : twin_requests_) {
    if (request.due <= turn.now) request.due = -absl::InfiniteDuration();
    const bool is_own = request.kind == TwinRequest::Kind::kCatchUp;
    if (request.is_sent && !is_own) ++in_flight;
  }
  if (link_ == kNoLink) return;
  for (TwinRequest& request : twin_requests_) {
    if (request.is_sent) continue;
    if (request.kind != TwinRequest::Kind::kCatchUp) {
      if (in_flight >= limits_.requests_in_flight_max || request.due > turn.now) continue;
      ++in_flight;
    }
    SendTwinRequest(request, turn);
  }
}

void Connection::SendTwinRequest(TwinRequest& request, Turn& turn) {
  request.is_sent = true;
  if (request.kind == TwinRequest::Kind::kPatch) {
    turn.effects->PatchReported(link_, request.request_id, request.patch, request.if_version, request.traceparent);
    std::string().swap(request.patch);
  } else {
    turn.effects->ReadTwin(link_, request.request_id, request.traceparent);
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
  const TwinRequest answered = std::move(*request);
  twin_requests_.erase(request);
  if (is_catch_up) {
    OnCatchUpDocument(status, document, desired_version, turn);
  } else {
    if (status == 200) desired_.OnRead(desired_version);
    AnswerTwin(answered, status, std::nullopt, document, turn);
  }
  SendTwinRequests(turn);
  ReadHeld(turn);
}

void Connection::OnReportedPatched(std::string_view request_id, int status, int64_t version, std::string_view error,
                                   Turn& turn) {
  if (state_ != State::kConnected) return;
  const auto request = FindTwinRequest(TwinRequest::Kind::kPatch, request_id);
  if (request == twin_requests_.end()) return turn.metrics->CountDropped(Dropped::kStaleResult);
  const TwinRequest answered = std::move(*request);
  twin_requests_.erase(request);
  if (status == 204) {
    AnswerTwin(answered, status, version, "", turn);
  } else {
    AnswerTwin(answered, status, std::nullopt, error, turn);
  }
  SendTwinRequests(turn);
  ReadHeld(turn);
}

void Connection::AnswerTwin(const TwinRequest& request, int status, std::optional<int64_t> version,
                            std::string_view document, Turn& turn) {
  const size_t begin = turn.output->size();
  mqtt::PublishProperties properties;
  if (!request.response_topic.empty()) properties.response_topic = request.response_topic;
  if (!request.correlation_data.empty()) properties.correlation_data = request.correlation_data;
  mqtt::AppendTwinResponse(status, request.request_id, version, document, turn.output,
                           is_level5() ? &properties : nullptr);
  if (FitsDevice(begin, turn)) return CountMessage(turn);
  // A device that waits hears at least that; if not even this fits, nothing (MQTT-3.1.2-25).
  if (status == 200) AnswerTwinError(request, 413, "The twin is larger than the packets that the device takes.", turn);
}

void Connection::AnswerTwinError(const TwinRequest& request, int status, std::string_view message, Turn& turn) {
  AnswerTwin(request, status, std::nullopt, TwinError(status, message, turn.wall), turn);
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
    AnswerTwinError(request, 503, "The hub did not answer in time.", turn);
  }
  SendTwinRequests(turn);
  ReadHeld(turn);
}

void Connection::RequestCatchUp(Turn& turn) {
  AddTwinRequest({.kind = TwinRequest::Kind::kCatchUp,
                  .is_sent = false,
                  .if_version = 0,
                  .due = turn.now,
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
    case DesiredFeed::CatchUp::kSend: return SendDesired(desired_version, desired, turn);
  }
}

void Connection::OnDesiredChange(int64_t epoch, int64_t version, std::string_view patch, Turn& turn) {
  if (state_ != State::kConnected || epoch != epoch_) return;
  switch (desired_.OnChange(version)) {
    case DesiredFeed::Verdict::kSkip: return;
    case DesiredFeed::Verdict::kGap: return Close(CloseReason::kDesiredGap, turn);
    case DesiredFeed::Verdict::kSend: return SendDesired(version, patch, turn);
  }
}

void Connection::SendDesired(int64_t version, std::string_view patch, Turn& turn) {
  const size_t begin = turn.output->size();
  const mqtt::PublishProperties properties;
  mqtt::AppendDesiredChange(version, patch, turn.output, is_level5() ? &properties : nullptr);
  if (!FitsDevice(begin, turn)) return;  // As if it had been sent (MQTT-3.1.2-25).
  turn.metrics->desired_changes.Add();
  CountMessage(turn);
}

}  // namespace fleetcast::mqtt_edge
