#include "services/twin/device_settings.h"

#include "absl/strings/str_cat.h"
#include "libs/auth/keys.h"
#include "libs/auth/thumbprint.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/json/json.h"
#include "libs/model/etag.h"
#include "libs/model/ids.h"
#include "libs/model/reasons.h"

namespace fleetcast::twin {
namespace {

using registry::v1::Device;

constexpr size_t kStatusReasonCharactersMax = 128;

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

size_t Characters(std::string_view utf8) {
  size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

absl::Status CheckText(const Device& device) {
  FLEETCAST_RETURN_IF_ERROR([&]() -> absl::Status {
    const absl::Status status = ValidateNewDeviceId(device.id());
    return status.ok() ? status : Invalid(reasons::kInvalidDeviceId, std::string(status.message()));
  }());
  const std::string& text = device.status_reason();
  const bool is_good =
      Characters(text) <= kStatusReasonCharactersMax && json::IsValidUtf8(text) && text.find('\0') == std::string::npos;
  if (!is_good) return Invalid(reasons::kInvalidValue, "the status reason must be at most 128 characters of text");
  return absl::OkStatus();
}

Device::AuthenticationType TypeOf(const Device& device) {
  if (device.authentication_type() != Device::AUTHENTICATION_TYPE_UNSPECIFIED) return device.authentication_type();
  const bool has_thumbprint = !device.primary_thumbprint().empty() || !device.secondary_thumbprint().empty();
  return has_thumbprint && device.primary_key().empty() ? Device::AUTHENTICATION_TYPE_SELF_SIGNED
                                                        : Device::AUTHENTICATION_TYPE_SAS;
}

absl::Status ReadKeys(const Device& device, DeviceSettings& settings) {
  if (device.primary_key().empty() != device.secondary_key().empty()) {
    return Invalid(reasons::kInvalidKey, "give both keys or neither");
  }
  if (device.primary_key().empty()) {
    const auth::KeyPair keys = auth::KeyPair::Generate();
    settings.primary_key = keys.primary.ToBase64();
    settings.secondary_key = keys.secondary.ToBase64();
    return absl::OkStatus();
  }
  for (const std::string* key : {&device.primary_key(), &device.secondary_key()}) {
    if (!auth::Key::FromBase64(*key).ok())
      return Invalid(reasons::kInvalidKey, "a key must be base64 of 16 to 64 bytes");
  }
  settings.primary_key = device.primary_key();
  settings.secondary_key = device.secondary_key();
  return absl::OkStatus();
}

absl::Status ReadThumbprints(const Device& device, DeviceSettings& settings) {
  for (const std::string* thumbprint : {&device.primary_thumbprint(), &device.secondary_thumbprint()}) {
    if (!thumbprint->empty() && !auth::IsThumbprint(*thumbprint)) {
      return Invalid(reasons::kInvalidKey, "a thumbprint must be 40 or 64 hexadecimal digits");
    }
  }
  if (device.primary_thumbprint().empty() && device.secondary_thumbprint().empty()) {
    return Invalid(reasons::kInvalidKey, "self-signed authentication needs a thumbprint");
  }
  settings.primary_thumbprint = device.primary_thumbprint();
  settings.secondary_thumbprint = device.secondary_thumbprint();
  return absl::OkStatus();
}

void SetTime(const std::optional<absl::Time>& time, google::protobuf::Timestamp* out) {
  const int64_t micros = absl::ToUnixMicros(*time);
  const int64_t seconds = absl::ToUnixSeconds(*time);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>((micros - seconds * 1'000'000) * 1'000));
}

}  // namespace

absl::StatusOr<DeviceSettings> ReadSettings(const Device& device) {
  FLEETCAST_RETURN_IF_ERROR(CheckText(device));
  DeviceSettings settings;
  settings.device_id = device.id();
  settings.status_reason = device.status_reason();
  settings.is_iot_edge = device.iot_edge();
  switch (device.status()) {
    case Device::STATUS_UNSPECIFIED:
    case Device::STATUS_ENABLED: break;
    case Device::STATUS_DISABLED: settings.is_disabled = true; break;
    default: return Invalid(reasons::kInvalidValue, "unknown status");
  }
  const Device::AuthenticationType type = TypeOf(device);
  settings.authentication_type = static_cast<int16_t>(type);
  switch (type) {
    case Device::AUTHENTICATION_TYPE_SAS: FLEETCAST_RETURN_IF_ERROR(ReadKeys(device, settings)); break;
    case Device::AUTHENTICATION_TYPE_SELF_SIGNED: FLEETCAST_RETURN_IF_ERROR(ReadThumbprints(device, settings)); break;
    case Device::AUTHENTICATION_TYPE_CERTIFICATE_AUTHORITY: break;
    default: return Invalid(reasons::kInvalidValue, "unknown authentication type");
  }
  return settings;
}

void ToProto(const DeviceRow& row, Secrets secrets, Device* out) {
  const DeviceSettings& settings = row.settings;
  out->set_id(settings.device_id);
  out->set_status(settings.is_disabled ? Device::STATUS_DISABLED : Device::STATUS_ENABLED);
  out->set_status_reason(settings.status_reason);
  out->set_authentication_type(static_cast<Device::AuthenticationType>(settings.authentication_type));
  if (secrets == Secrets::kShow) {
    out->set_primary_key(settings.primary_key);
    out->set_secondary_key(settings.secondary_key);
  }
  out->set_primary_thumbprint(settings.primary_thumbprint);
  out->set_secondary_thumbprint(settings.secondary_thumbprint);
  out->set_iot_edge(settings.is_iot_edge);
  out->set_generation_id(absl::StrCat(row.generation_id));
  out->set_etag(DeviceEtag(static_cast<uint64_t>(row.etag)));
  out->set_connected(row.is_connected);
  if (row.connection_state_update_time) {
    SetTime(row.connection_state_update_time, out->mutable_connection_state_update_time());
  }
  if (row.status_update_time) SetTime(row.status_update_time, out->mutable_status_update_time());
  if (row.last_activity_time) SetTime(row.last_activity_time, out->mutable_last_activity_time());
  SetTime(row.create_time, out->mutable_create_time());
}

}  // namespace fleetcast::twin
