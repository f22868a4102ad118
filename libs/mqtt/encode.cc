#include "libs/mqtt/codec.h"
#include "libs/mqtt/property_lists.h"
#include "libs/mqtt/wire.h"

namespace fleetcast::mqtt {
namespace {

// The fixed header (MQTT 2.2).
void AppendHeader(PacketType type, uint8_t flags, size_t remaining, std::string* out) {
  AppendByte(static_cast<uint8_t>(static_cast<uint8_t>(type) << 4 | flags), out);
  AppendVariableInteger(remaining, out);
}

// Counts the bytes that PropertyWriting appends.
class PropertyCounting {
 public:
  void Bool(PropertyId, const std::optional<bool>& field) { Count(field, 1); }
  void Two(PropertyId, const std::optional<uint16_t>& field) { Count(field, 2); }
  void TwoNotZero(PropertyId, const std::optional<uint16_t>& field) { Count(field, 2); }
  void Alias(PropertyId, const std::optional<uint16_t>& field) { Count(field, 2); }
  void Four(PropertyId, const std::optional<uint32_t>& field) { Count(field, 4); }
  void FourNotZero(PropertyId, const std::optional<uint32_t>& field) { Count(field, 4); }
  void VariableNotZero(PropertyId, const std::optional<uint32_t>& field) {
    Count(field, VariableIntegerSize(field.value_or(0)));
  }
  void String(PropertyId, const std::optional<std::string_view>& field) { Count(field, TextSize(field.value_or(""))); }
  void Topic(PropertyId id, const std::optional<std::string_view>& field) { String(id, field); }
  void Binary(PropertyId id, const std::optional<std::string_view>& field) { String(id, field); }
  void User(UserProperties user) {
    for (UserProperty property; user.Next(&property);) size_ += 1 + TextSize(property.name) + TextSize(property.value);
  }

  size_t size() const { return size_; }

 private:
  template <typename Field>
  void Count(const Field& field, size_t size) {
    if (field.has_value()) size_ += 1 + size;
  }

  size_t size_ = 0;
};

class PropertyWriting {
 public:
  explicit PropertyWriting(std::string* out) : out_(out) {}

  void Bool(PropertyId id, const std::optional<bool>& field) {
    if (Id(id, field)) AppendByte(*field ? 1 : 0, out_);
  }
  void Two(PropertyId id, const std::optional<uint16_t>& field) {
    if (Id(id, field)) AppendWord(*field, out_);
  }
  void TwoNotZero(PropertyId id, const std::optional<uint16_t>& field) { Two(id, field); }
  void Alias(PropertyId id, const std::optional<uint16_t>& field) { Two(id, field); }
  void Four(PropertyId id, const std::optional<uint32_t>& field) {
    if (Id(id, field)) AppendDoubleWord(*field, out_);
  }
  void FourNotZero(PropertyId id, const std::optional<uint32_t>& field) { Four(id, field); }
  void VariableNotZero(PropertyId id, const std::optional<uint32_t>& field) {
    if (Id(id, field)) AppendVariableInteger(*field, out_);
  }
  void String(PropertyId id, const std::optional<std::string_view>& field) {
    if (Id(id, field)) AppendText(*field, out_);
  }
  void Topic(PropertyId id, const std::optional<std::string_view>& field) { String(id, field); }
  void Binary(PropertyId id, const std::optional<std::string_view>& field) { String(id, field); }
  void User(UserProperties user) {
    for (UserProperty property; user.Next(&property);) AppendUserProperty(property.name, property.value, out_);
  }

 private:
  template <typename Field>
  bool Id(PropertyId id, const Field& field) {
    if (field.has_value()) AppendByte(static_cast<uint8_t>(id), out_);
    return field.has_value();
  }

  std::string* const out_;
};

// Without their length in front.
template <typename Properties>
size_t BareSize(const Properties& properties) {
  PropertyCounting counting;
  VisitProperties(properties, counting);
  return counting.size();
}

template <typename Properties>
size_t PropertiesSize(const Properties& properties) {
  const size_t size = BareSize(properties);
  return VariableIntegerSize(size) + size;
}

template <typename Properties>
void AppendProperties(const Properties& properties, std::string* out) {
  AppendVariableInteger(BareSize(properties), out);
  PropertyWriting writing(out);
  VisitProperties(properties, writing);
}

// At level 5 only: nothing at 3.1.1.
template <typename Properties>
size_t PropertiesSize(const Properties& properties, uint8_t level) {
  return level == kLevel5 ? PropertiesSize(properties) : 0;
}

template <typename Properties>
void AppendProperties(const Properties& properties, uint8_t level, std::string* out) {
  if (level == kLevel5) AppendProperties(properties, out);
}

// A reason code and properties at the end of a packet, where they may be left out as far as they say nothing.
template <typename Properties>
size_t ReasonSize(ReasonCode reason, const Properties& properties, uint8_t level) {
  if (level != kLevel5) return 0;
  if (BareSize(properties) > 0) return 1 + PropertiesSize(properties);
  return reason == ReasonCode::kSuccess ? 0 : 1;
}

template <typename Properties>
void AppendReason(ReasonCode reason, const Properties& properties, uint8_t level, std::string* out) {
  const size_t size = ReasonSize(reason, properties, level);
  if (size > 0) AppendByte(static_cast<uint8_t>(reason), out);
  if (size > 1) AppendProperties(properties, out);
}

uint8_t OptionsOf(const Subscription& subscription, uint8_t level) {
  if (level != kLevel5) return subscription.qos;
  return static_cast<uint8_t>(subscription.qos | (subscription.no_local ? 0x4 : 0) |
                              (subscription.retain_as_published ? 0x8 : 0) | subscription.retain_handling << 4);
}

}  // namespace

size_t EncodedSize(const PublishProperties& properties) { return PropertiesSize(properties); }
void EncodeProperties(const PublishProperties& properties, std::string* out) { AppendProperties(properties, out); }

void Encode(const Connect& packet, std::string* out, uint8_t) {
  uint8_t flags = packet.clean_session ? 0x02 : 0;
  const uint8_t level = packet.level;
  size_t remaining = TextSize("MQTT") + 4 + PropertiesSize(packet.properties, level) + TextSize(packet.client_id);
  if (packet.will.has_value()) {
    const int will = 0x04 | packet.will->qos << 3 | (packet.will->retain ? 0x20 : 0);
    flags = static_cast<uint8_t>(flags | will);
    remaining += PropertiesSize(packet.will->properties, level);
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
  AppendByte(level, out);
  AppendByte(flags, out);
  AppendWord(packet.keep_alive_seconds, out);
  AppendProperties(packet.properties, level, out);
  AppendText(packet.client_id, out);
  if (packet.will.has_value()) {
    AppendProperties(packet.will->properties, level, out);
    AppendText(packet.will->topic, out);
    AppendText(packet.will->payload, out);
  }
  if (packet.username.has_value()) AppendText(*packet.username, out);
  if (packet.password.has_value()) AppendText(*packet.password, out);
}

void Encode(const Connack& packet, std::string* out, uint8_t level) {
  AppendHeader(PacketType::kConnack, 0, 2 + PropertiesSize(packet.properties, level), out);
  AppendByte(packet.session_present ? 1 : 0, out);
  AppendByte(level == kLevel5 ? static_cast<uint8_t>(packet.reason) : static_cast<uint8_t>(packet.code), out);
  AppendProperties(packet.properties, level, out);
}

void EncodePublishHeader(size_t topic_size, size_t payload_size, bool at_qos1, size_t properties_size,
                         std::string* out) {
  const size_t remaining = 2 + topic_size + (at_qos1 ? 2 : 0) + properties_size + payload_size;
  AppendHeader(PacketType::kPublish, at_qos1 ? 0x2 : 0, remaining, out);
  AppendWord(topic_size, out);
}

void Encode(const Publish& packet, std::string* out, uint8_t level) {
  const int flags = (packet.dup ? 0x8 : 0) | packet.qos << 1 | (packet.retain ? 0x1 : 0);
  const size_t remaining = TextSize(packet.topic) + (packet.qos > 0 ? 2 : 0) +
                           PropertiesSize(packet.properties, level) + packet.payload.size();
  AppendHeader(PacketType::kPublish, static_cast<uint8_t>(flags), remaining, out);
  AppendText(packet.topic, out);
  if (packet.qos > 0) AppendWord(packet.packet_id, out);
  AppendProperties(packet.properties, level, out);
  out->append(packet.payload);
}

void Encode(const Puback& packet, std::string* out, uint8_t level) {
  AppendHeader(PacketType::kPuback, 0, 2 + ReasonSize(packet.reason, packet.properties, level), out);
  AppendWord(packet.packet_id, out);
  AppendReason(packet.reason, packet.properties, level, out);
}

void Encode(const Subscribe& packet, std::string* out, uint8_t level) {
  size_t remaining = 2 + PropertiesSize(packet.properties, level);
  for (const Subscription& subscription : packet.subscriptions) remaining += TextSize(subscription.filter) + 1;
  AppendHeader(PacketType::kSubscribe, 0x2, remaining, out);
  AppendWord(packet.packet_id, out);
  AppendProperties(packet.properties, level, out);
  for (const Subscription& subscription : packet.subscriptions) {
    AppendText(subscription.filter, out);
    AppendByte(OptionsOf(subscription, level), out);
  }
}

void Encode(const Suback& packet, std::string* out, uint8_t level) {
  const size_t properties_size = PropertiesSize(packet.properties, level);
  AppendHeader(PacketType::kSuback, 0, 2 + properties_size + packet.codes.size(), out);
  AppendWord(packet.packet_id, out);
  AppendProperties(packet.properties, level, out);
  for (const uint8_t code : packet.codes) AppendByte(code, out);
}

void Encode(const Unsubscribe& packet, std::string* out, uint8_t level) {
  size_t remaining = 2 + PropertiesSize(packet.properties, level);
  for (const std::string_view filter : packet.filters) remaining += TextSize(filter);
  AppendHeader(PacketType::kUnsubscribe, 0x2, remaining, out);
  AppendWord(packet.packet_id, out);
  AppendProperties(packet.properties, level, out);
  for (const std::string_view filter : packet.filters) AppendText(filter, out);
}

void Encode(const Unsuback& packet, std::string* out, uint8_t level) {
  const size_t codes = level == kLevel5 ? packet.codes.size() : 0;
  AppendHeader(PacketType::kUnsuback, 0, 2 + PropertiesSize(packet.properties, level) + codes, out);
  AppendWord(packet.packet_id, out);
  AppendProperties(packet.properties, level, out);
  for (size_t i = 0; i < codes; ++i) AppendByte(packet.codes[i], out);
}

void Encode(const Pingreq&, std::string* out, uint8_t) { AppendHeader(PacketType::kPingreq, 0, 0, out); }
void Encode(const Pingresp&, std::string* out, uint8_t) { AppendHeader(PacketType::kPingresp, 0, 0, out); }

void Encode(const Disconnect& packet, std::string* out, uint8_t level) {
  AppendHeader(PacketType::kDisconnect, 0, ReasonSize(packet.reason, packet.properties, level), out);
  AppendReason(packet.reason, packet.properties, level, out);
}

void Encode(const Auth& packet, std::string* out, uint8_t) {
  const bool is_bare = packet.reason == ReasonCode::kSuccess && BareSize(packet.properties) == 0;
  AppendHeader(PacketType::kAuth, 0, is_bare ? 0 : 1 + PropertiesSize(packet.properties), out);
  if (is_bare) return;
  AppendByte(static_cast<uint8_t>(packet.reason), out);
  AppendProperties(packet.properties, out);
}

void Encode(const Packet& packet, std::string* out, uint8_t level) {
  std::visit([out, level](const auto& value) { Encode(value, out, level); }, packet);
}

}  // namespace fleetcast::mqtt
