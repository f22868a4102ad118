#include "services/twin/device_settings.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/auth/keys.h"
#include "libs/auth/thumbprint.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/model/etag.h"
#include "libs/model/ids.h"
#include "libs/model/reasons.h"

namespace fleetcast::twin {
namespace {

using registry::v1::Device;
using registry::v1::Module;

constexpr size_t kTextCharactersMax = 128;  // Of a status reason, and of who manages a module.
constexpr size_t kScopeBytesMax = 256;
constexpr std::string_view kScopePrefix = "ms-azure-iot-edge://";

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

size_t Characters(std::string_view utf8) {
  size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

absl::Status CheckText(std::string_view what, const std::string& text) {
  const bool is_good =
      Characters(text) <= kTextCharactersMax && json::IsValidUtf8(text) && text.find('\0') == std::string::npos;
  if (is_good) return absl::OkStatus();
  return Invalid(reasons::kInvalidValue, absl::StrCat(Absl(what), " must be at most 128 characters of text"));
}

absl::Status CheckScope(const std::string& scope) {
  if (scope.empty()) return absl::OkStatus();
  const bool is_good = scope.size() <= kScopeBytesMax &&
                       std::string_view(scope).substr(0, kScopePrefix.size()) == kScopePrefix &&
                       json::IsValidUtf8(scope) && scope.find('\0') == std::string::npos;
  if (is_good) return absl::OkStatus();
  return Invalid(reasons::kInvalidDeviceScope,
                 absl::StrCat("a scope must begin with ", Absl(kScopePrefix), " and have at most 256 bytes"));
}

// What devices and modules give alike.
struct Credentials {
  Device::AuthenticationType type;
  KeyTexts keys;
  std::string primary_thumbprint;
  std::string secondary_thumbprint;
};

template <typename Message>
Credentials CredentialsOf(const Message& message) {
  return {message.authentication_type(),
          {message.primary_key(), message.secondary_key()},
          message.primary_thumbprint(),
          message.secondary_thumbprint()};
}

Device::AuthenticationType TypeOf(const Credentials& given) {
  if (given.type != Device::AUTHENTICATION_TYPE_UNSPECIFIED) return given.type;
  const bool has_thumbprint = !given.primary_thumbprint.empty() || !given.secondary_thumbprint.empty();
  return has_thumbprint && given.keys.primary.empty() ? Device::AUTHENTICATION_TYPE_SELF_SIGNED
                                                      : Device::AUTHENTICATION_TYPE_SAS;
}

absl::StatusOr<KeyTexts> ReadKeys(const KeyTexts& given) {
  if (given.primary.empty() != given.secondary.empty()) {
    return Invalid(reasons::kInvalidKey, "give both keys or neither");
  }
  if (given.primary.empty()) {
    const auth::KeyPair keys = auth::KeyPair::Generate();
    return KeyTexts{keys.primary.ToBase64(), keys.secondary.ToBase64()};
  }
  for (const std::string* key : {&given.primary, &given.secondary}) {
    if (!auth::Key::FromBase64(*key).ok()) {
      return Invalid(reasons::kInvalidKey, "a key must be base64 of 16 to 64 bytes");
    }
  }
  return given;
}

absl::Status ReadThumbprints(const Credentials& given, DeviceSettings& settings) {
  for (const std::string* thumbprint : {&given.primary_thumbprint, &given.secondary_thumbprint}) {
    if (!thumbprint->empty() && !auth::IsThumbprint(*thumbprint)) {
      return Invalid(reasons::kInvalidKey, "a thumbprint must be 40 or 64 hexadecimal digits");
    }
  }
  if (given.primary_thumbprint.empty() && given.secondary_thumbprint.empty()) {
    return Invalid(reasons::kInvalidKey, "self-signed authentication needs a thumbprint");
  }
  settings.primary_thumbprint = given.primary_thumbprint;
  settings.secondary_thumbprint = given.secondary_thumbprint;
  return absl::OkStatus();
}

// Precondition: the ids in `settings` are good.
absl::Status ReadCredentials(const Credentials& given, const KeyVault& vault, DeviceSettings& settings) {
  const Device::AuthenticationType type = TypeOf(given);
  settings.authentication_type = static_cast<int16_t>(type);
  switch (type) {
    case Device::AUTHENTICATION_TYPE_SAS: {
      FLEETCAST_ASSIGN_OR_RETURN(const KeyTexts keys, ReadKeys(given.keys));
      settings.keys = vault.Seal(settings.identity(), keys);
      return absl::OkStatus();
    }
    case Device::AUTHENTICATION_TYPE_SELF_SIGNED: return ReadThumbprints(given, settings);
    case Device::AUTHENTICATION_TYPE_CERTIFICATE_AUTHORITY: return absl::OkStatus();
    default: return Invalid(reasons::kInvalidValue, "unknown authentication type");
  }
}

void SetTime(const std::optional<absl::Time>& time, google::protobuf::Timestamp* out) {
  const int64_t micros = absl::ToUnixMicros(*time);
  const int64_t seconds = absl::ToUnixSeconds(*time);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>((micros - seconds * 1'000'000) * 1'000));
}

// What devices and modules show alike.
template <typename Message>
absl::Status SetCommon(const DeviceRow& row, const KeyVault* vault, Message* out) {
  const DeviceSettings& settings = row.settings;
  out->set_authentication_type(static_cast<Device::AuthenticationType>(settings.authentication_type));
  if (vault != nullptr) {
    FLEETCAST_ASSIGN_OR_RETURN(KeyTexts keys, vault->Open(settings.identity(), settings.keys));
    out->set_primary_key(std::move(keys.primary));
    out->set_secondary_key(std::move(keys.secondary));
  }
  out->set_primary_thumbprint(settings.primary_thumbprint);
  out->set_secondary_thumbprint(settings.secondary_thumbprint);
  out->set_generation_id(absl::StrCat(row.generation_id));
  out->set_etag(DeviceEtag(static_cast<uint64_t>(row.etag)));
  out->set_connected(row.is_connected);
  if (row.connection_state_update_time) {
    SetTime(row.connection_state_update_time, out->mutable_connection_state_update_time());
  }
  if (row.last_activity_time) SetTime(row.last_activity_time, out->mutable_last_activity_time());
  SetTime(row.create_time, out->mutable_create_time());
  return absl::OkStatus();
}

// The device of an identity that is about to be written.
absl::Status CheckDeviceId(const std::string& id) {
  const absl::Status status = ValidateNewDeviceId(id);
  return status.ok() ? status : Invalid(reasons::kInvalidDeviceId, std::string(status.message()));
}

absl::Status CheckModuleId(const std::string& id) {
  FLEETCAST_RETURN_IF_ERROR(ValidateModuleId(id));
  if (id.front() == '$') return Invalid(reasons::kInvalidModuleId, "the module id may not begin with $");
  if (id.find_first_of("+#") != std::string::npos) {
    return Invalid(reasons::kInvalidModuleId, "the module id may not hold + or #, which MQTT topic names cannot carry");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DeviceSettings> ReadSettings(const Device& device, const KeyVault& vault) {
  FLEETCAST_RETURN_IF_ERROR(CheckDeviceId(device.id()));
  FLEETCAST_RETURN_IF_ERROR(CheckText("the status reason", device.status_reason()));
  DeviceSettings settings;
  settings.device_id = device.id();
  settings.status_reason = device.status_reason();
  settings.is_iot_edge = device.iot_edge();
  // An edge gateway's own scope is made from its id; what a client sends back of it is not looked at.
  if (!device.iot_edge()) settings.device_scope = device.device_scope();
  if (device.iot_edge()) settings.parent_scope = device.parent_scope();
  FLEETCAST_RETURN_IF_ERROR(CheckScope(settings.device_scope));
  FLEETCAST_RETURN_IF_ERROR(CheckScope(settings.parent_scope));
  switch (device.status()) {
    case Device::STATUS_UNSPECIFIED:
    case Device::STATUS_ENABLED: break;
    case Device::STATUS_DISABLED: settings.is_disabled = true; break;
    default: return Invalid(reasons::kInvalidValue, "unknown status");
  }
  FLEETCAST_RETURN_IF_ERROR(ReadCredentials(CredentialsOf(device), vault, settings));
  return settings;
}

absl::StatusOr<DeviceSettings> ReadSettings(const Module& module, const KeyVault& vault) {
  FLEETCAST_RETURN_IF_ERROR(CheckDeviceId(module.device_id()));
  FLEETCAST_RETURN_IF_ERROR(CheckModuleId(module.id()));
  FLEETCAST_RETURN_IF_ERROR(CheckText("managedBy", module.managed_by()));
  DeviceSettings settings;
  settings.device_id = module.device_id();
  settings.module_id = module.id();
  settings.managed_by = module.managed_by();
  FLEETCAST_RETURN_IF_ERROR(ReadCredentials(CredentialsOf(module), vault, settings));
  return settings;
}

bool HasNoCredentials(const Device& device) {
  return device.primary_key().empty() && device.secondary_key().empty() && device.primary_thumbprint().empty() &&
         device.secondary_thumbprint().empty();
}

std::string EdgeScope(const DeviceRow& row) {
  return absl::StrCat(Absl(kScopePrefix), row.settings.device_id, "-", row.generation_id);
}

absl::Status ToProto(const DeviceRow& row, const KeyVault* vault, Device* out) {
  const DeviceSettings& settings = row.settings;
  out->set_id(settings.device_id);
  out->set_status(settings.is_disabled ? Device::STATUS_DISABLED : Device::STATUS_ENABLED);
  out->set_status_reason(settings.status_reason);
  out->set_iot_edge(settings.is_iot_edge);
  out->set_device_scope(settings.is_iot_edge ? EdgeScope(row) : settings.device_scope);
  out->set_parent_scope(settings.parent_scope);
  if (row.status_update_time) SetTime(row.status_update_time, out->mutable_status_update_time());
  return SetCommon(row, vault, out);
}

absl::Status ToProto(const DeviceRow& row, const KeyVault* vault, Module* out) {
  out->set_device_id(row.settings.device_id);
  out->set_id(row.settings.module_id);
  out->set_managed_by(row.settings.managed_by);
  return SetCommon(row, vault, out);
}

}  // namespace fleetcast::twin
