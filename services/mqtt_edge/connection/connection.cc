#include "services/mqtt_edge/connection/connection.h"

#include <algorithm>
#include <utility>

namespace fleetcast::mqtt_edge {
namespace {

constexpr mqtt::Limits kBeforeConnect = mqtt::BeforeConnectLimits(mqtt::kConnectRemainingMax);

}  // namespace

Connection::Connection(const ConnectionLimits& limits, absl::Duration now)
    : limits_(limits), connect_deadline_(now + limits.connect_timeout) {}

bool Connection::wants_read() const {
  if ((state_ != State::kAwaitingConnect && state_ != State::kConnected) || is_throttled()) return false;
  // At level 5 the device knows how many PUBACKs may be outstanding, and hears when it does not keep to it.
  return HasRoomForTwinRequests() && acks_.size() < limits_.acks_max && !awaits_room_ &&
         (pubacks_.size() < limits_.pubacks_max || is_level5());
}

void Connection::OnBytes(std::string_view bytes, Turn& turn) {
  if (is_closed()) return;
  if (!held_.empty() || !wants_read()) {
    if (held_.size() + bytes.size() > limits_.held_bytes_max) return Close(CloseReason::kProtocol, turn);
    held_.append(bytes);
  } else {
    ReadPackets(bytes, turn);
  }
  MeterBytes(bytes.size(), turn);
}

void Connection::ReadHeld(Turn& turn) {
  if (held_.empty() || !wants_read()) return;
  const std::string bytes = std::exchange(held_, {});
  ReadPackets(bytes, turn);
}

void Connection::ReadPackets(std::string_view bytes, Turn& turn) {
  int packets = 0;
  do {
    packets += ReadWanted(&bytes, turn);
    if (is_closed()) return;
    RegisterSubscriptions(turn);  // May acknowledge at once and so make room for more.
  } while (!bytes.empty() && wants_read());
  if (is_closed()) return;
  if (packets > 0) {
    turn.metrics->packets_received.Add(packets);
    ExtendKeepAlive(turn.now);
  }
  held_.append(bytes);  // Not empty only where reading has to pause.
}

int Connection::ReadWanted(std::string_view* bytes, Turn& turn) {
  mqtt::Packet packet;
  int packets = 0;
  while (wants_read()) {
    const mqtt::Limits& limits = state_ == State::kAwaitingConnect ? kBeforeConnect
                                 : is_level5()                     ? mqtt::kServerLimits5
                                                                   : mqtt::kServerLimits;
    const mqtt::PacketReader::Result result = reader_.Next(limits, bytes, &packet);
    if (result == mqtt::PacketReader::Result::kViolation) {
      EndViolation(turn);
      break;
    }
    if (result == mqtt::PacketReader::Result::kNeedMore) break;
    ++packets;
    const size_t calls = calls_.size();
    HandlePacket(packet, turn);
    const bool is_answer = calls_.size() < calls;  // There are as many as calls, which are limited.
    if (!is_answer) MeterMessage(turn);
  }
  return packets;
}

void Connection::EndViolation(Turn& turn) {
  turn.metrics->violations[static_cast<int>(reader_.violation())].Add();
  const mqtt::ReasonCode code = mqtt::ReasonOf(reader_.violation());
  const bool is_connect5 = state_ == State::kAwaitingConnect && reader_.level() == mqtt::kLevel5;
  if (is_connect5) return RefuseWith(CloseReason::kProtocol, code, turn);
  CloseWith(CloseReason::kProtocol, code, turn);
}

void Connection::HandlePacket(const mqtt::Packet& packet, Turn& turn) {
  if (state_ == State::kAwaitingConnect) return HandleConnect(std::get<mqtt::Connect>(packet), turn);
  if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) return HandlePublish(*publish, turn);
  if (const auto* subscribe = std::get_if<mqtt::Subscribe>(&packet)) return HandleSubscribe(*subscribe, turn);
  if (const auto* unsubscribe = std::get_if<mqtt::Unsubscribe>(&packet)) return HandleUnsubscribe(*unsubscribe, turn);
  if (std::holds_alternative<mqtt::Pingreq>(packet)) {
    mqtt::Encode(mqtt::Pingresp{}, turn.output);
    return CountMessage(turn);
  }
  if (const auto* disconnect = std::get_if<mqtt::Disconnect>(&packet)) return HandleDisconnect(*disconnect, turn);
  if (const auto* auth = std::get_if<mqtt::Auth>(&packet)) return HandleAuth(*auth, turn);
  // Nothing is sent at QoS 1 yet, so that no PUBACK can be expected.
  if (std::holds_alternative<mqtt::Puback>(packet)) return turn.metrics->CountDropped(Dropped::kUnknownPuback);
  Close(CloseReason::kProtocol, turn);  // A second CONNECT (MQTT-3.1.0-2).
}

void Connection::HandleDisconnect(const mqtt::Disconnect& disconnect, Turn& turn) {
  if (is_level5() && !TakeLastExpiry(disconnect, level5_.get())) {
    return CloseWith(CloseReason::kProtocol, mqtt::ReasonCode::kProtocolError, turn);
  }
  // MQTT-3.14.4-3; at level 5 every reason but 0x00 keeps the will.
  if (disconnect.reason == mqtt::ReasonCode::kSuccess) has_will_ = false;
  Close(CloseReason::kDisconnect, turn);
}

void Connection::OnBlocked(Turn& turn) { drain_deadline_ = turn.now + limits_.drain_timeout; }

void Connection::OnDrained(Turn& turn) {
  if (is_closed()) return;
  backlog_messages_ = 0;
  drain_deadline_ = absl::InfiniteDuration();
  WriteQueuedCalls(turn);
}

void Connection::CountMessage(Turn& turn) {
  if (turn.backlog_bytes == 0 || is_closed()) return;
  ++backlog_messages_;
  const size_t bytes = turn.backlog_bytes + turn.output->size();
  if (backlog_messages_ > limits_.backlog_messages_max || bytes > limits_.backlog_bytes_max) {
    Close(CloseReason::kSlow, turn);
  }
}

void Connection::ExtendKeepAlive(absl::Duration now) { keep_alive_deadline_ = now + keep_alive_; }

absl::Duration Connection::NextDeadline() const {
  if (is_closed()) return absl::InfiniteDuration();
  if (state_ != State::kConnected) return connect_deadline_;
  absl::Duration next = std::min({keep_alive_deadline_, token_deadline_, save_deadline_, drain_deadline_,
                                  read_again_at_, pubacks_.NextDeadline()});
  for (const TwinRequest& request : twin_requests_) {
    const bool is_due = request.due == -absl::InfiniteDuration();
    next = std::min(next, is_due ? request.deadline : request.due);
  }
  for (const QueuedCall& queued : queued_calls_) next = std::min(next, queued.deadline);
  if (is_level5() && level5_->renewal.has_value()) next = std::min(next, level5_->renewal->deadline);
  return next;
}

void Connection::OnTimer(Turn& turn) {
  switch (state_) {
    case State::kClosed: return;
    case State::kAwaitingConnect:
      if (turn.now >= connect_deadline_) Close(CloseReason::kConnectTimeout, turn);
      return;
    case State::kAuthenticating:
      if (turn.now >= connect_deadline_) Refuse(mqtt::ConnectCode::kServerUnavailable, turn);
      return;
    case State::kRefused:
      if (turn.now >= connect_deadline_) Refuse(refusal_, turn);
      return;
    case State::kConnected: break;
  }
  if (turn.now >= keep_alive_deadline_) {
    if (wants_read()) return Close(CloseReason::kKeepAlive, turn);
    ExtendKeepAlive(turn.now);  // Nobody listened: its PINGREQ may wait in the socket.
  }
  if (turn.now >= read_again_at_) read_again_at_ = absl::InfiniteDuration();
  if (turn.now >= token_deadline_) return Close(CloseReason::kTokenExpired, turn);
  if (turn.now >= save_deadline_) return Close(CloseReason::kUnavailable, turn);
  if (turn.now >= drain_deadline_) return Close(CloseReason::kSlow, turn);
  if (is_level5() && level5_->renewal.has_value() && turn.now >= level5_->renewal->deadline) {
    return Close(CloseReason::kUnavailable, turn);
  }
  ExpireCalls(turn);
  ExpirePubacks(turn);
  ExpireTwinRequests(turn);
}

void Connection::Leave(Turn& turn) {
  if (state_ == State::kAuthenticating) return Refuse(mqtt::ConnectCode::kServerUnavailable, turn);
  if (state_ == State::kAwaitingConnect) return Close(CloseReason::kDraining, turn);
  is_leaving_ = state_ == State::kConnected;
  LeaveIfDone(turn);
}

void Connection::OnDisconnectOrder(int64_t epoch, Turn& turn, mqtt::ReasonCode reason) {
  // With several links the order may overtake the result that it is about.
  if (state_ == State::kAuthenticating) fenced_epoch_ = std::max(fenced_epoch_, epoch);
  if (state_ == State::kConnected && epoch == epoch_) CloseWith(CloseReason::kTakenOver, reason, turn);
}

void Connection::OnLinkLost(LinkIndex link, Turn& turn) {
  if (link != link_ || is_closed()) return;
  link_ = kNoLink;
  if (state_ == State::kAuthenticating) return Refuse(mqtt::ConnectCode::kServerUnavailable, turn);
  // Whether a patch was applied is unknown, so the device hears an error; reads and whole sets can be sent again.
  for (size_t i = 0; i < twin_requests_.size();) {
    TwinRequest& request = twin_requests_[i];
    if (request.kind == TwinRequest::Kind::kPatch && request.is_sent) {
      AnswerTwinError(request, 503, "The hub went away before it answered.", turn);
      twin_requests_.erase(twin_requests_.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    request.is_sent = false;
    ++i;
  }
  is_save_lost_ = is_save_lost_ || is_saving_;
  is_saving_ = false;
  if (is_level5() && level5_->renewal.has_value()) level5_->renewal->is_sent = false;
  SendWaiting(turn);
  ReadHeld(turn);
}

void Connection::OnLinkAttached(Turn& turn) {
  SendWaiting(turn);
  ReadHeld(turn);
}

void Connection::SendWaiting(Turn& turn) {
  if (state_ != State::kConnected) return;
  if (link_ == kNoLink) link_ = turn.effects->PickLink(device_id_);
  if (link_ == kNoLink) return;
  SendTwinRequests(turn);
  SendRenewal(turn);
  RegisterSubscriptions(turn);
}

void Connection::CloseWith(CloseReason reason, mqtt::ReasonCode code, Turn& turn) {
  if (is_closed()) return;
  if (is_level5() && state_ == State::kConnected) SayDisconnect(reason, code, turn);
  const State before = state_;
  state_ = State::kClosed;
  close_reason_ = reason;
  turn.metrics->disconnects[static_cast<int>(reason)].Add();
  if (before == State::kAuthenticating && link_ != kNoLink) turn.effects->AbandonOpen(link_, device_id_);
  if (before != State::kConnected) return;
  OnTelemetryRoom(turn);  // It waits for nothing any more.
  for (const QueuedCall& queued : queued_calls_) RefuseCall(queued.call, CallReport::Reason::kStaleRoute, turn);
  for (const PendingCall& pending : calls_) {
    turn.metrics->methods_lost.Add();
    turn.effects->ReportCall(pending.link, {.kind = CallReport::Kind::kConnectionLost, .call_id = pending.call_id});
    RememberCall(pending.call_id);
  }
  queued_calls_.clear();
  calls_.clear();
  if (has_will_) turn.metrics->CountDropped(Dropped::kWill);
  turn.effects->CloseSession(device_id_, epoch_, is_level5() ? level5_->last_session_expiry_seconds : std::nullopt);
  turn.metrics->sessions.Add(-1);
}

}  // namespace fleetcast::mqtt_edge
