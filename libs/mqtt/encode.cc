#include "libs/mqtt/codec.h"

namespace fleetcast::mqtt {
namespace {

size_t TextSize(std::string_view text) { return 2 + text.size(); }

void AppendByte(uint8_t value, std::string* out) { out->push_back(static_cast<char>(value)); }

void AppendWord(size_t value, std::string* out) {
  AppendByte(static_cast<uint8_t>(value >> 8), out);
  AppendByte(static_cast<uint8_t>(value & 0xff), out);
}

void AppendText(std::string_view text, std::string* out) {
  AppendWord(text.size(), out);
  out->append(text);
}

// The fixed header (MQTT 2.2).
void AppendHeader(PacketType type, uint8_t flags, size_t remaining, std::string* out) {
  AppendByte(static_cast<uint8_t>(static_cast<uint8_t>(type) << 4 | flags), out);
  do {
    const auto low = static_cast<uint8_t>(remaining & 0x7f);
    remaining >>= 7;
    AppendByte(remaining > 0 ? static_cast<uint8_t>(low | 0x80) : low, out);
  } while (remaining > 0);
}

void AppendAck(PacketType type, uint16_t packet_id, std::string* out) {
  AppendHeader(type, 0, 2, out);
  AppendWord(packet_id, out);
}

}  // namespace

void Encode(const Connect& packet, std::string* out) {
  uint8_t flags = packet.clean_session ? 0x02 : 0;
  size_t remaining = TextSize("MQTT") + 4 + TextSize(packet.client_id);
  if (packet.will.has_value()) {
    const int will = 0x04 | packet.will->qos << 3 | (packet.will->retain ? 0x20 : 0);
    flags = static_cast<uint8_t>(flags | will);
    remaining += TextSize(packet.will->topic) + TextSize(packet.will->payload);
  }
  if (packet.username.has_value()) {
    flags |= 0x80;
    remaining += TextSize(*packet.username);
  }
  if (packet.password.has_value()) {
    flags |= 0x40;
    remaining += TextSize(*packet.password);
  }
  AppendHeader(PacketType::kConnect, 0, remaining, out);
  AppendText("MQTT", out);
  AppendByte(packet.level, out);
  AppendByte(flags, out);
  AppendWord(packet.keep_alive_seconds, out);
  AppendText(packet.client_id, out);
  if (packet.will.has_value()) {
    AppendText(packet.will->topic, out);
    AppendText(packet.will->payload, out);
  }
  if (packet.username.has_value()) AppendText(*packet.username, out);
  if (packet.password.has_value()) AppendText(*packet.password, out);
}

void Encode(const Connack& packet, std::string* out) {
  AppendHeader(PacketType::kConnack, 0, 2, out);
  AppendByte(packet.session_present ? 1 : 0, out);
  AppendByte(static_cast<uint8_t>(packet.code), out);
}

void EncodeConnackUnsupportedVersion5(std::string* out) {
  AppendHeader(PacketType::kConnack, 0, 3, out);
  AppendByte(0, out);     // Acknowledge flags.
  AppendByte(0x84, out);  // Unsupported Protocol Version.
  AppendByte(0, out);     // No properties.
}

void EncodePublishHeader(size_t topic_size, size_t payload_size, bool at_qos1, std::string* out) {
  const size_t remaining = 2 + topic_size + (at_qos1 ? 2 : 0) + payload_size;
  AppendHeader(PacketType::kPublish, at_qos1 ? 0x2 : 0, remaining, out);
  AppendWord(topic_size, out);
}

void Encode(const Publish& packet, std::string* out) {
  const int flags = (packet.dup ? 0x8 : 0) | packet.qos << 1 | (packet.retain ? 0x1 : 0);
  const size_t remaining = TextSize(packet.topic) + (packet.qos > 0 ? 2 : 0) + packet.payload.size();
  AppendHeader(PacketType::kPublish, static_cast<uint8_t>(flags), remaining, out);
  AppendText(packet.topic, out);
  if (packet.qos > 0) AppendWord(packet.packet_id, out);
  out->append(packet.payload);
}

void Encode(const Puback& packet, std::string* out) { AppendAck(PacketType::kPuback, packet.packet_id, out); }

void Encode(const Subscribe& packet, std::string* out) {
  size_t remaining = 2;
  for (const Subscription& subscription : packet.subscriptions) remaining += TextSize(subscription.filter) + 1;
  AppendHeader(PacketType::kSubscribe, 0x2, remaining, out);
  AppendWord(packet.packet_id, out);
  for (const Subscription& subscription : packet.subscriptions) {
    AppendText(subscription.filter, out);
    AppendByte(subscription.qos, out);
  }
}

void Encode(const Suback& packet, std::string* out) {
  AppendHeader(PacketType::kSuback, 0, 2 + packet.codes.size(), out);
  AppendWord(packet.packet_id, out);
  for (const uint8_t code : packet.codes) AppendByte(code, out);
}

void Encode(const Unsubscribe& packet, std::string* out) {
  size_t remaining = 2;
  for (const std::string_view filter : packet.filters) remaining += TextSize(filter);
  AppendHeader(PacketType::kUnsubscribe, 0x2, remaining, out);
  AppendWord(packet.packet_id, out);
  for (const std::string_view filter : packet.filters) AppendText(filter, out);
}

void Encode(const Unsuback& packet, std::string* out) { AppendAck(PacketType::kUnsuback, packet.packet_id, out); }

void Encode(const Pingreq&, std::string* out) { AppendHeader(PacketType::kPingreq, 0, 0, out); }
void Encode(const Pingresp&, std::string* out) { AppendHeader(PacketType::kPingresp, 0, 0, out); }
void Encode(const Disconnect&, std::string* out) { AppendHeader(PacketType::kDisconnect, 0, 0, out); }

void Encode(const Packet& packet, std::string* out) {
  std::visit([out](const auto& value) { Encode(value, out); }, packet);
}

}  // namespace fleetcast::mqtt
