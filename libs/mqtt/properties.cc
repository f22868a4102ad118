#include "libs/mqtt/properties.h"

#include "libs/mqtt/cursor.h"
#include "libs/mqtt/wire.h"

namespace fleetcast::mqtt {
namespace {

// Passes over the value of a property that is no user property.
void SkipValue(PropertyId id, Cursor& cursor) {
  switch (id) {
    case PropertyId::kPayloadFormat:
    case PropertyId::kRequestProblemInformation:
    case PropertyId::kRequestResponseInformation:
    case PropertyId::kMaximumQos:
    case PropertyId::kRetainAvailable:
    case PropertyId::kWildcardAvailable:
    case PropertyId::kSubscriptionIdsAvailable:
    case PropertyId::kSharedAvailable: cursor.Byte(); return;
    case PropertyId::kServerKeepAlive:
    case PropertyId::kReceiveMaximum:
    case PropertyId::kTopicAliasMaximum:
    case PropertyId::kTopicAlias: cursor.Word(); return;
    case PropertyId::kMessageExpiry:
    case PropertyId::kSessionExpiry:
    case PropertyId::kWillDelay:
    case PropertyId::kMaximumPacketSize: cursor.DoubleWord(); return;
    case PropertyId::kSubscriptionId: cursor.VariableInteger(); return;
    default: cursor.Binary(); return;
  }
}

}  // namespace

bool UserProperties::Next(UserProperty* property) {
  Cursor cursor(rest_);
  bool is_found = false;
  while (!is_found && !cursor.at_end()) {
    const auto id = static_cast<PropertyId>(cursor.Byte());
    if (id == PropertyId::kUserProperty) {
      property->name = cursor.Binary();
      property->value = cursor.Binary();
      is_found = true;
    } else {
      SkipValue(id, cursor);
    }
  }
  rest_ = cursor.Rest();
  return is_found;
}

std::optional<std::string_view> UserProperties::Find(std::string_view name) const {
  UserProperties rest = *this;
  for (UserProperty property; rest.Next(&property);) {
    if (property.name == name) return property.value;
  }
  return std::nullopt;
}

bool UserProperties::empty() const {
  UserProperties rest = *this;
  UserProperty property;
  return !rest.Next(&property);
}

void AppendUserProperty(std::string_view name, std::string_view value, std::string* encoded) {
  AppendByte(static_cast<uint8_t>(PropertyId::kUserProperty), encoded);
  AppendText(name, encoded);
  AppendText(value, encoded);
}

}  // namespace fleetcast::mqtt
