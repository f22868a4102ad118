// SUBSCRIBE and UNSUBSCRIBE: the set of a session is one small number, registered before it is acknowledged (D-SES-1).
#include <algorithm>
#include <utility>

#include "services/mqtt_edge/connection/connection.h"

namespace fleetcast::mqtt_edge {
namespace {

Subscriptions With(Subscriptions set, Subscriptions bit, Subscriptions qos1_bit, uint8_t qos) {
  set |= bit;
  return qos > 0 ? set | qos1_bit : set & ~qos1_bit;
}

// `set` with `filter` granted at `qos`, 0 or 1. Only cloud-to-device messages and inputs keep their QoS: all else is
// delivered at 0.
Subscriptions With(Subscriptions set, mqtt::Filter filter, uint8_t qos) {
  switch (filter) {
    case mqtt::Filter::kMethods: return set | kMethodsBit;
    case mqtt::Filter::kTwinResponses: return set | kTwinResponsesBit;
    case mqtt::Filter::kDesired: return set | kDesiredBit;
    case mqtt::Filter::kMessages: return With(set, kMessagesBit, kMessagesQos1Bit, qos);
    case mqtt::Filter::kModule: return With(set, kModuleBit, kModuleQos1Bit, qos);
    case mqtt::Filter::kInputs: return With(set, kInputsBit, kInputsQos1Bit, qos);
  }
  return set;
}

Subscriptions Without(Subscriptions set, mqtt::Filter filter) { return set & ~With(0, filter, 1); }

// What a SUBSCRIBE of level 5 asks for although CONNACK said that there is none.
mqtt::ReasonCode NotOffered(const mqtt::Subscribe& subscribe) {
  if (subscribe.properties.subscription_id.has_value()) return mqtt::ReasonCode::kSubscriptionIdentifiersNotSupported;
  const bool is_shared = std::any_of(
      subscribe.subscriptions.begin(), subscribe.subscriptions.end(), [](const mqtt::Subscription& subscription) {
        return subscription.filter.substr(0, kSharedFilterPrefix.size()) == kSharedFilterPrefix;
      });
  return is_shared ? mqtt::ReasonCode::kSharedSubscriptionsNotSupported : mqtt::ReasonCode::kSuccess;
}

}  // namespace

void Connection::HandleSubscribe(const mqtt::Subscribe& subscribe, Turn& turn) {
  if (!TrySubscribe(turn)) return;
  if (is_level5()) {
    const mqtt::ReasonCode reason = NotOffered(subscribe);
    if (mqtt::IsFailure(reason)) return CloseWith(CloseReason::kProtocol, reason, turn);
  } else if (subscribe.subscriptions.size() > limits_.filters_max) {
    return Close(CloseReason::kForbiddenTopic, turn);
  }
  Subscriptions wanted = wanted_;
  PendingAck ack{.packet_id = subscribe.packet_id, .is_unsubscribe = false, .codes = {}};
  for (const mqtt::Subscription& subscription : subscribe.subscriptions) {
    const std::optional<mqtt::Filter> filter = mqtt::ParseFilter(subscription.filter, device_id_);
    if (is_level5() && (!filter.has_value() || ack.codes.size() >= limits_.filters_max)) {
      const bool is_too_many = ack.codes.size() >= limits_.filters_max;
      const mqtt::ReasonCode refusal = RefusalOf(subscription.filter, mqtt::ReasonCode::kTopicFilterInvalid);
      ack.codes.push_back(static_cast<uint8_t>(is_too_many ? mqtt::ReasonCode::kQuotaExceeded : refusal));
      continue;
    }
    if (!filter.has_value()) {
      if (limits_.close_on_bad_filter) return Close(CloseReason::kForbiddenTopic, turn);  // D-SUB-3: none is applied.
      ack.codes.push_back(mqtt::kSubscribeFailure);
      continue;
    }
    const uint8_t granted = std::min<uint8_t>(subscription.qos, 1);  // D-SUB-1
    ack.codes.push_back(granted);
    wanted = With(wanted, *filter, granted);
  }
  wanted_ = wanted;
  acks_.push_back(std::move(ack));
}

void Connection::HandleUnsubscribe(const mqtt::Unsubscribe& unsubscribe, Turn& turn) {
  if (!TrySubscribe(turn)) return;
  if (!is_level5() && unsubscribe.filters.size() > limits_.filters_max) {
    return Close(CloseReason::kForbiddenTopic, turn);
  }
  PendingAck ack{.packet_id = unsubscribe.packet_id, .is_unsubscribe = true, .codes = {}};
  for (const std::string_view text : unsubscribe.filters) {
    const std::optional<mqtt::Filter> filter = mqtt::ParseFilter(text, device_id_);
    const Subscriptions before = wanted_;
    if (filter.has_value()) wanted_ = Without(wanted_, *filter);
    const auto reason = wanted_ != before ? mqtt::ReasonCode::kSuccess : mqtt::ReasonCode::kNoSubscriptionExisted;
    if (is_level5()) ack.codes.push_back(static_cast<uint8_t>(reason));
  }
  acks_.push_back(std::move(ack));  // D-SUB-6: always.
}

// Several packets that came together become one change; while one is under way the next one gathers.
void Connection::RegisterSubscriptions(Turn& turn) {
  if (state_ != State::kConnected || is_saving_ || acks_.empty()) return;
  if (wanted_ == subscriptions_ && !is_save_lost_) return SendAcks(acks_.size(), turn);
  if (save_deadline_ == absl::InfiniteDuration()) save_deadline_ = turn.now + limits_.request_timeout;
  if (link_ == kNoLink) link_ = turn.effects->PickLink(device_id_);
  if (link_ == kNoLink) return;  // OnLinkAttached, or the deadline.
  is_saving_ = true;
  is_save_lost_ = false;
  saving_ = wanted_;
  acks_saving_ = acks_.size();
  if ((saving_ & kDesiredBit) != 0) desired_.Subscribing();
  turn.effects->ChangeSubscriptions(link_, saving_, is_durable_, session_expiry_seconds());
}

void Connection::OnSubscriptionsSaved(Subscriptions saved, bool failed, int64_t desired_version, Turn& turn) {
  if (state_ != State::kConnected) return;
  if (!is_saving_ || (!failed && saved != saving_)) {  // After an announcement, or stale.
    if (desired_.HasMissed(desired_version)) Close(CloseReason::kDesiredGap, turn);
    return;
  }
  if (failed) return Close(CloseReason::kUnavailable, turn);  // Never acknowledge what would be forgotten.
  is_saving_ = false;
  save_deadline_ = absl::InfiniteDuration();
  const Subscriptions before = std::exchange(subscriptions_, saving_);
  SendAcks(acks_saving_, turn);
  ActivateDesired(before, desired_version, turn);
  RegisterSubscriptions(turn);
  ReadHeld(turn);
}

void Connection::SendAcks(size_t count, Turn& turn) {
  for (size_t i = 0; i < count && !is_closed(); ++i) {
    PendingAck& ack = acks_[i];
    if (ack.is_unsubscribe) {
      mqtt::Encode(mqtt::Unsuback{ack.packet_id, std::move(ack.codes)}, turn.output, level());
    } else {
      mqtt::Encode(mqtt::Suback{ack.packet_id, std::move(ack.codes)}, turn.output, level());
    }
    CountMessage(turn);
  }
  acks_.erase(acks_.begin(), acks_.begin() + static_cast<std::ptrdiff_t>(count));
  if (acks_.empty()) std::vector<PendingAck>().swap(acks_);  // A connection subscribes once in its life.
}

void Connection::ActivateDesired(Subscriptions before, int64_t desired_version, Turn& turn) {
  if (is_closed()) return;
  if ((subscriptions_ & kDesiredBit) == 0) return desired_.Unsubscribed();
  if ((before & kDesiredBit) == 0 && desired_.Subscribed(desired_version)) RequestCatchUp(turn);
}

}  // namespace fleetcast::mqtt_edge
