#include "tests/fuzz/connection_oracle.h"

#include <algorithm>
#include <string>

#include "libs/base/check.h"
#include "libs/mqtt/topics.h"

namespace fleetcast::fuzz {
namespace {

using Result = mqtt::PacketReader::Result;

}  // namespace

void Digest(std::string_view text, uint64_t* digest) {
  for (const char c : text) *digest = (*digest ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  *digest = (*digest ^ 0x100) * 0x100000001b3;  // Where one text ends and the next begins.
}

void ConnectionOracle::Sent(std::string_view bytes) {
  mqtt::Packet packet;
  const auto limits = [this] { return is_level5() ? mqtt::kServerLimits5 : mqtt::kServerLimits; };
  while (sent_reader_.Next(limits(), &bytes, &packet) == Result::kPacket) {
    if (level_ == 0) level_ = sent_reader_.level();
    if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
      if (publish->qos == 1) publish_ids_.push_back(publish->packet_id);
    } else if (const auto* subscribe = std::get_if<mqtt::Subscribe>(&packet)) {
      subscribe_ids_.push_back(subscribe->packet_id);
    } else if (const auto* unsubscribe = std::get_if<mqtt::Unsubscribe>(&packet)) {
      subscribe_ids_.push_back(unsubscribe->packet_id);
    }
  }
  if (level_ == 0 && sent_reader_.violation() != mqtt::Violation::kNone) level_ = sent_reader_.level();
}

void ConnectionOracle::Wrote(std::string_view bytes, bool was_closed) {
  if (bytes.empty()) return;
  FLEETCAST_CHECK(!was_closed);
  if (!written_reader_.has_value()) written_reader_.emplace(is_level5() ? mqtt::kLevel5 : mqtt::kLevel311);
  mqtt::Packet packet;
  Result result = Result::kNeedMore;
  const mqtt::Limits& limits = is_level5() ? mqtt::kClientLimits5 : mqtt::kClientLimits;
  while ((result = written_reader_->Next(limits, &bytes, &packet)) == Result::kPacket) Check(packet);
  FLEETCAST_CHECK(result == Result::kNeedMore && !written_reader_->has_partial());
}

void ConnectionOracle::Check(const mqtt::Packet& packet) {
  FLEETCAST_CHECK(!has_disconnect_);
  FLEETCAST_CHECK(std::holds_alternative<mqtt::Connack>(packet) ? !has_connack_ : is_accepted_);
  if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) return CheckPublish(*publish);
  if (const auto* connack = std::get_if<mqtt::Connack>(&packet)) {
    has_connack_ = true;
    is_accepted_ = connack->code == mqtt::ConnectCode::kAccepted && connack->reason == mqtt::ReasonCode::kSuccess;
  } else if (std::holds_alternative<mqtt::Disconnect>(packet)) {
    has_disconnect_ = true;
  } else if (!std::holds_alternative<mqtt::Pingresp>(packet) && !std::holds_alternative<mqtt::Auth>(packet)) {
    return CheckAcknowledgement(packet);
  }
  std::string encoded;
  mqtt::Encode(packet, &encoded, written_reader_->level());
  Digest(encoded, &others_);
}

void ConnectionOracle::CheckAcknowledgement(const mqtt::Packet& packet) {
  if (const auto* puback = std::get_if<mqtt::Puback>(&packet)) {
    pubacks_.push_back(puback->packet_id);
    FLEETCAST_CHECK(IsPrefix(pubacks_, publish_ids_));
    return;
  }
  const auto* const suback = std::get_if<mqtt::Suback>(&packet);
  subacks_.push_back(suback != nullptr ? suback->packet_id : std::get<mqtt::Unsuback>(packet).packet_id);
  FLEETCAST_CHECK(IsPrefix(subacks_, subscribe_ids_));
}

std::string ConnectionOracle::TopicOf(const mqtt::Publish& publish) {
  const std::optional<uint16_t> alias = publish.properties.topic_alias;
  if (!alias.has_value()) return std::string(publish.topic);
  std::string& topic = topics_[*alias];
  if (!publish.topic.empty()) topic = publish.topic;
  FLEETCAST_CHECK(!topic.empty());
  return topic;
}

void ConnectionOracle::CheckPublish(const mqtt::Publish& publish) {
  FLEETCAST_CHECK(publish.qos == 0 && !publish.dup && !publish.retain);
  const std::string text = TopicOf(publish);
  const mqtt::HubTopic topic = mqtt::ParseHubTopic(text);
  if (topic.kind == mqtt::HubTopic::Kind::kDesiredChange) {
    if (hub_is_honest_) FLEETCAST_CHECK(*topic.version > desired_version_);
    desired_version_ = *topic.version;
    return;
  }
  if (topic.kind == mqtt::HubTopic::Kind::kMethodRequest) {
    FLEETCAST_CHECK(!publish.payload.empty());
    Call& call = calls_[*mqtt::ParseCallId(topic.request_id)];
    FLEETCAST_CHECK(++call.written == 1);
  } else {
    FLEETCAST_CHECK(topic.kind == mqtt::HubTopic::Kind::kTwinResponse);
  }
  Digest(text, &publishes_);
  Digest(publish.payload, &publishes_);
}

void ConnectionOracle::Reported(const mqtt_edge::CallReport& report, bool was_closed) {
  using Kind = mqtt_edge::CallReport::Kind;
  Call& call = calls_[report.call_id];
  switch (report.kind) {
    case Kind::kSent: FLEETCAST_CHECK(!was_closed && call.written == 1 && ++call.sent == 1); return;
    case Kind::kNotSent: FLEETCAST_CHECK(call.written == 0); return;
    case Kind::kAnswer:
    case Kind::kConnectionLost: FLEETCAST_CHECK(!was_closed && call.sent == 1 && ++call.ended == 1); return;
  }
}

void ConnectionOracle::Opened(bool was_closed) { FLEETCAST_CHECK(!was_closed && ++opened_ == 1 && !has_connack_); }

void ConnectionOracle::EndedSession(bool was_closed) { FLEETCAST_CHECK(!was_closed && is_accepted_ && ++ended_ == 1); }

void ConnectionOracle::Finish(bool is_closed) const {
  FLEETCAST_CHECK(ended_ == (is_closed && is_accepted_ ? 1 : 0));
  for (const auto& [call_id, call] : calls_) FLEETCAST_CHECK(call.sent == call.written);
}

}  // namespace fleetcast::fuzz
