#include "libs/mqtt/decode.h"

#include <algorithm>

#include "libs/mqtt/cursor.h"
#include "libs/mqtt/property_lists.h"

namespace fleetcast::mqtt {
namespace {

// Reads the property that `id` names into its field; VisitProperties offers every field that the packet has.
class PropertyReading {
 public:
  PropertyReading(PropertyId id, Cursor& cursor) : id_(id), cursor_(cursor) {}

  void Bool(PropertyId id, std::optional<bool>& field) {
    if (!IsNew(id, field)) return;
    const uint8_t value = cursor_.Byte();
    if (value > 1) cursor_.Fail(Violation::kPropertyValue);
    field = value == 1;
  }
  void Two(PropertyId id, std::optional<uint16_t>& field) {
    if (IsNew(id, field)) field = cursor_.Word();
  }
  void TwoNotZero(PropertyId id, std::optional<uint16_t>& field) {
    if (IsNew(id, field)) field = NotZero(cursor_.Word(), Violation::kPropertyValue);
  }
  void Alias(PropertyId id, std::optional<uint16_t>& field) {
    if (IsNew(id, field)) field = NotZero(cursor_.Word(), Violation::kTopicAliasZero);
  }
  void Four(PropertyId id, std::optional<uint32_t>& field) {
    if (IsNew(id, field)) field = cursor_.DoubleWord();
  }
  void FourNotZero(PropertyId id, std::optional<uint32_t>& field) {
    if (IsNew(id, field)) field = NotZero(cursor_.DoubleWord(), Violation::kPropertyValue);
  }
  void VariableNotZero(PropertyId id, std::optional<uint32_t>& field) {
    if (IsNew(id, field)) field = NotZero(cursor_.VariableInteger(), Violation::kPropertyValue);
  }
  void String(PropertyId id, std::optional<std::string_view>& field) {
    if (IsNew(id, field)) field = cursor_.String();
  }
  void Topic(PropertyId id, std::optional<std::string_view>& field) {
    if (IsNew(id, field)) field = cursor_.Topic();
  }
  void Binary(PropertyId id, std::optional<std::string_view>& field) {
    if (IsNew(id, field)) field = cursor_.Binary();
  }
  void User(UserProperties&) {
    if (id_ != PropertyId::kUserProperty) return;
    cursor_.String();
    cursor_.String();
    is_known_ = true;
  }

  bool is_known() const { return is_known_; }

 private:
  template <typename Field>
  bool IsNew(PropertyId id, const Field& field) {
    if (id != id_) return false;
    is_known_ = true;
    if (field.has_value()) cursor_.Fail(Violation::kRepeatedProperty);
    return !field.has_value();
  }
  template <typename Number>
  Number NotZero(Number value, Violation violation) {
    if (value == 0) cursor_.Fail(violation);
    return value;
  }

  const PropertyId id_;
  Cursor& cursor_;
  bool is_known_ = false;
};

template <typename Properties>
void ReadProperties(Cursor& cursor, Properties* properties) {
  const uint32_t size = cursor.VariableInteger();
  const std::string_view block = cursor.Take(size);
  Cursor inner(block);
  while (inner.ok() && !inner.at_end()) {
    const auto id = static_cast<PropertyId>(inner.VariableInteger());
    PropertyReading reading(id, inner);
    VisitProperties(*properties, reading);
    if (!reading.is_known()) inner.Fail(Violation::kUnknownProperty);
    if (id == PropertyId::kUserProperty) properties->user = UserProperties(block);
  }
  if (!inner.ok()) cursor.Fail(inner.violation());
}

ReasonCode ReadReason(PacketType type, Cursor& cursor) {
  const auto reason = static_cast<ReasonCode>(cursor.Byte());
  if (!IsReasonOf(type, reason)) cursor.Fail(Violation::kBadReturnCode);
  return reason;
}

// Connect flags (MQTT 3.1.2.3).
constexpr uint8_t kFlagReserved = 0x01;
constexpr uint8_t kFlagCleanSession = 0x02;
constexpr uint8_t kFlagWill = 0x04;
constexpr uint8_t kFlagWillQos = 0x18;
constexpr uint8_t kFlagWillRetain = 0x20;
constexpr uint8_t kFlagPassword = 0x40;
constexpr uint8_t kFlagUsername = 0x80;

bool AreLegalConnectFlags(uint8_t flags, uint8_t level) {
  if ((flags & kFlagReserved) != 0) return false;
  if ((flags & kFlagWillQos) == kFlagWillQos) return false;  // QoS 3
  if ((flags & kFlagWill) == 0 && (flags & (kFlagWillQos | kFlagWillRetain)) != 0) return false;
  return level == kLevel5 || (flags & kFlagPassword) == 0 || (flags & kFlagUsername) != 0;
}

void ReadWill(uint8_t flags, uint8_t level, Cursor& cursor, Will* will) {
  if (level == kLevel5) ReadProperties(cursor, &will->properties);
  will->topic = cursor.Topic();
  will->payload = cursor.Binary();
  will->qos = static_cast<uint8_t>((flags & kFlagWillQos) >> 3);
  will->retain = (flags & kFlagWillRetain) != 0;
}

Violation DecodeConnect(std::string_view body, Packet* packet) {
  Cursor cursor(body);
  Connect& connect = packet->emplace<Connect>();
  const std::string_view name = cursor.Binary();
  connect.level = cursor.Byte();
  if (!cursor.ok()) return cursor.Finish();
  if (name == "MQIsdp") {  // MQTT 3.1; paho tries it after a CONNACK 1 (device-mqtt.md 2.1).
    if (connect.level == kLevel311 || connect.level == kLevel5) connect.level = 3;
    return Violation::kNone;
  }
  if (name != "MQTT") {
    connect.level = 0;  // Whose rules these are is not known.
    return Violation::kProtocolName;
  }
  if (connect.level != kLevel311 && connect.level != kLevel5) return Violation::kNone;

  const uint8_t flags = cursor.Byte();
  if (cursor.ok() && !AreLegalConnectFlags(flags, connect.level)) return Violation::kConnectFlags;
  connect.clean_session = (flags & kFlagCleanSession) != 0;
  connect.keep_alive_seconds = cursor.Word();
  if (connect.level == kLevel5) {
    ReadProperties(cursor, &connect.properties);
    const ConnectProperties& properties = connect.properties;
    const bool has_method = properties.authentication_method.has_value();
    if (properties.authentication_data.has_value() && !has_method) cursor.Fail(Violation::kNoAuthentication);
  }
  connect.client_id = cursor.Text();
  if ((flags & kFlagWill) != 0) ReadWill(flags, connect.level, cursor, &connect.will.emplace());
  if ((flags & kFlagUsername) != 0) connect.username = cursor.Text();
  if ((flags & kFlagPassword) != 0) connect.password = cursor.Binary();
  return cursor.Finish();
}

Violation DecodeConnack(std::string_view body, uint8_t level, Packet* packet) {
  Cursor cursor(body);
  Connack& connack = packet->emplace<Connack>();
  const uint8_t flags = cursor.Byte();
  uint8_t code = 0;
  if (level == kLevel5) {
    connack.reason = ReadReason(PacketType::kConnack, cursor);
    code = static_cast<uint8_t>(connack.reason);
    ReadProperties(cursor, &connack.properties);
  } else {
    code = cursor.Byte();
    if (code > static_cast<uint8_t>(ConnectCode::kNotAuthorized)) cursor.Fail(Violation::kBadReturnCode);
    connack.code = static_cast<ConnectCode>(code);
  }
  if (flags > 1) cursor.Fail(Violation::kReservedFlags);
  if (flags == 1 && code != 0) cursor.Fail(Violation::kReservedFlags);  // MQTT-3.2.2-4
  connack.session_present = flags == 1;
  return cursor.Finish();
}

Violation DecodePublish(uint8_t flags, std::string_view body, uint8_t level, Packet* packet) {
  Cursor cursor(body);
  Publish& publish = packet->emplace<Publish>();
  publish.dup = (flags & 0x8) != 0;
  publish.qos = (flags >> 1) & 0x3;
  publish.retain = (flags & 0x1) != 0;
  if (publish.qos == 3) cursor.Fail(Violation::kBadQos);
  if (publish.dup && publish.qos == 0) cursor.Fail(Violation::kDupAtQos0);
  publish.topic = cursor.TopicOrNone();
  if (publish.qos > 0) publish.packet_id = cursor.PacketId();
  if (level == kLevel5) ReadProperties(cursor, &publish.properties);
  if (publish.topic.empty() && !publish.properties.topic_alias.has_value()) cursor.Fail(Violation::kEmptyTopic);
  publish.payload = cursor.Rest();
  return cursor.Finish();
}

// Subscription options (MQTT 5, 3.8.3.1); at 3.1.1 only the QoS.
void ReadOptions(uint8_t level, Cursor& cursor, Subscription* subscription) {
  const uint8_t options = cursor.Byte();
  if (level != kLevel5) {
    if (options > 2) cursor.Fail(Violation::kBadQos);
    subscription->qos = options;
    return;
  }
  subscription->qos = options & 0x3;
  subscription->no_local = (options & 0x4) != 0;
  subscription->retain_as_published = (options & 0x8) != 0;
  subscription->retain_handling = options >> 4 & 0x3;
  if ((options & 0xc0) != 0) cursor.Fail(Violation::kReservedOption);
  const bool is_shared = subscription->filter.substr(0, 7) == "$share/";
  const bool is_bad_share = is_shared && subscription->no_local;
  if (subscription->qos == 3 || subscription->retain_handling == 3 || is_bad_share) {
    cursor.Fail(Violation::kSubscriptionOption);
  }
}

Violation DecodeSubscribe(std::string_view body, uint8_t level, Packet* packet) {
  Cursor cursor(body);
  Subscribe& subscribe = packet->emplace<Subscribe>();
  subscribe.packet_id = cursor.PacketId();
  if (level == kLevel5) ReadProperties(cursor, &subscribe.properties);
  if (cursor.ok() && cursor.at_end()) return Violation::kNoFilter;
  while (cursor.ok() && !cursor.at_end()) {
    Subscription subscription{.filter = cursor.Filter()};
    ReadOptions(level, cursor, &subscription);
    subscribe.subscriptions.push_back(subscription);
  }
  return cursor.Finish();
}

Violation DecodeSuback(std::string_view body, uint8_t level, Packet* packet) {
  Cursor cursor(body);
  Suback& suback = packet->emplace<Suback>();
  suback.packet_id = cursor.PacketId();
  if (level == kLevel5) ReadProperties(cursor, &suback.properties);
  if (cursor.ok() && cursor.at_end()) return Violation::kNoFilter;
  while (cursor.ok() && !cursor.at_end()) {
    const uint8_t code = cursor.Byte();
    const bool is_legal = level == kLevel5 ? IsReasonOf(PacketType::kSuback, static_cast<ReasonCode>(code))
                                           : code <= 2 || code == kSubscribeFailure;
    if (!is_legal) cursor.Fail(Violation::kBadReturnCode);
    suback.codes.push_back(code);
  }
  return cursor.Finish();
}

Violation DecodeUnsubscribe(std::string_view body, uint8_t level, Packet* packet) {
  Cursor cursor(body);
  Unsubscribe& unsubscribe = packet->emplace<Unsubscribe>();
  unsubscribe.packet_id = cursor.PacketId();
  if (level == kLevel5) ReadProperties(cursor, &unsubscribe.properties);
  if (cursor.ok() && cursor.at_end()) return Violation::kNoFilter;
  while (cursor.ok() && !cursor.at_end()) unsubscribe.filters.push_back(cursor.Filter());
  return cursor.Finish();
}

Violation DecodePuback(std::string_view body, uint8_t level, Packet* packet) {
  Cursor cursor(body);
  Puback& puback = packet->emplace<Puback>();
  puback.packet_id = cursor.Word();
  if (level == kLevel5 && !cursor.at_end()) puback.reason = ReadReason(PacketType::kPuback, cursor);
  if (level == kLevel5 && !cursor.at_end()) ReadProperties(cursor, &puback.properties);
  return cursor.Finish();
}

Violation DecodeUnsuback(std::string_view body, uint8_t level, Packet* packet) {
  Cursor cursor(body);
  Unsuback& unsuback = packet->emplace<Unsuback>();
  unsuback.packet_id = cursor.PacketId();
  if (level != kLevel5) return cursor.Finish();
  ReadProperties(cursor, &unsuback.properties);
  if (cursor.ok() && cursor.at_end()) return Violation::kNoFilter;
  while (cursor.ok() && !cursor.at_end()) {
    unsuback.codes.push_back(static_cast<uint8_t>(ReadReason(PacketType::kUnsuback, cursor)));
  }
  return cursor.Finish();
}

Violation DecodeDisconnect(std::string_view body, uint8_t level, Packet* packet) {
  Cursor cursor(body);
  Disconnect& disconnect = packet->emplace<Disconnect>();
  if (level == kLevel5 && !cursor.at_end()) disconnect.reason = ReadReason(PacketType::kDisconnect, cursor);
  if (level == kLevel5 && !cursor.at_end()) ReadProperties(cursor, &disconnect.properties);
  return cursor.Finish();
}

Violation DecodeAuth(std::string_view body, Packet* packet) {
  Cursor cursor(body);
  Auth& auth = packet->emplace<Auth>();
  if (cursor.at_end()) return Violation::kNone;  // Success.
  auth.reason = ReadReason(PacketType::kAuth, cursor);
  ReadProperties(cursor, &auth.properties);
  if (!auth.properties.method.has_value()) cursor.Fail(Violation::kNoAuthentication);
  return cursor.Finish();
}

template <typename Empty>
Violation DecodeEmpty(std::string_view body, Packet* packet) {
  packet->emplace<Empty>();
  return body.empty() ? Violation::kNone : Violation::kTrailingBytes;
}

}  // namespace

Violation DecodeBody(uint8_t first, std::string_view body, uint8_t level, Packet* packet) {
  switch (static_cast<PacketType>(first >> 4)) {
    case PacketType::kConnect: return DecodeConnect(body, packet);
    case PacketType::kConnack: return DecodeConnack(body, level, packet);
    case PacketType::kPublish: return DecodePublish(first & 0xf, body, level, packet);
    case PacketType::kPuback: return DecodePuback(body, level, packet);
    case PacketType::kSubscribe: return DecodeSubscribe(body, level, packet);
    case PacketType::kSuback: return DecodeSuback(body, level, packet);
    case PacketType::kUnsubscribe: return DecodeUnsubscribe(body, level, packet);
    case PacketType::kUnsuback: return DecodeUnsuback(body, level, packet);
    case PacketType::kPingreq: return DecodeEmpty<Pingreq>(body, packet);
    case PacketType::kPingresp: return DecodeEmpty<Pingresp>(body, packet);
    case PacketType::kDisconnect: return DecodeDisconnect(body, level, packet);
    case PacketType::kAuth: return DecodeAuth(body, packet);
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp: break;
  }
  return Violation::kUnexpectedType;
}

}  // namespace fleetcast::mqtt
