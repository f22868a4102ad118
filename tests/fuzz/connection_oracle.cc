#include "tests/fuzz/connection_oracle.h"

#include <algorithm>
#include <string>

#include "libs/base/check.h"
#include "libs/mqtt/topics.h"

namespace fleetcast::fuzz {
namespace {

using Result = mqtt::PacketReader::Result;

// Whether `acknowledged` are the first of `sent`, in order.
bool IsPrefix(const std::vector<uint16_t>& acknowledged, const std::vector<uint16_t>& sent) {
  return acknowledged.size() <= sent.size() && std::equal(acknowledged.begin(), acknowledged.end(), sent.begin());
}

std::string UnsupportedVersion5() {
  std::string bytes;
  mqtt::EncodeConnackUnsupportedVersion5(&bytes);
  return bytes;
}

}  // namespace

void Digest(std::string_view text, uint64_t* digest) {
  for (const char c : text) *digest = (*digest ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  *digest = (*digest ^ 0x100) * 0x100000001b3;  // Where one text ends and the next begins.
}

void ConnectionOracle::Sent(std::string_view bytes) {
  mqtt::Packet packet;
  while (sent_reader_.Next(mqtt::kServerLimits, &bytes, &packet) == Result::kPacket) {
    if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
      if (publish->qos == 1) publish_ids_.push_back(publish->packet_id);
    } else if (const auto* subscribe = std::get_if<mqtt::Subscribe>(&packet)) {
      subscribe_ids_.push_back(subscribe->packet_id);
    } else if (const auto* unsubscribe = std::get_if<mqtt::Unsubscribe>(&packet)) {
      subscribe_ids_.push_back(unsubscribe->packet_id);
    }
  }
}

void ConnectionOracle::Wrote(std::string_view bytes, bool was_closed) {
  if (bytes.empty()) return;
  FLEETCAST_CHECK(!was_closed && !is_refused_in_mqtt5_);
  if (!has_connack_ && bytes == UnsupportedVersion5()) {
    is_refused_in_mqtt5_ = true;
    return;
  }
  mqtt::Packet packet;
  Result result = Result::kNeedMore;
  while ((result = written_reader_.Next(mqtt::kClientLimits, &bytes, &packet)) == Result::kPacket) Check(packet);
  FLEETCAST_CHECK(result == Result::kNeedMore && !written_reader_.has_partial());
}

void ConnectionOracle::Check(const mqtt::Packet& packet) {
  FLEETCAST_CHECK(std::holds_alternative<mqtt::Connack>(packet) ? !has_connack_ : is_accepted_);
  if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) return CheckPublish(*publish);
  const auto* const connack = std::get_if<mqtt::Connack>(&packet);
  if (connack == nullptr && !std::holds_alternative<mqtt::Pingresp>(packet)) return CheckAcknowledgement(packet);
  if (connack != nullptr) {
    has_connack_ = true;
    is_accepted_ = connack->code == mqtt::ConnectCode::kAccepted;
  }
  std::string encoded;
  mqtt::Encode(packet, &encoded);
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

void ConnectionOracle::CheckPublish(const mqtt::Publish& publish) {
  FLEETCAST_CHECK(publish.qos == 0 && !publish.dup && !publish.retain);
  const mqtt::HubTopic topic = mqtt::ParseHubTopic(publish.topic);
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
  Digest(publish.topic, &publishes_);
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
