#include "services/twin/store/device_rows.h"

#include "absl/time/clock.h"
#include "libs/json/json.h"

namespace fleetcast::twin {
namespace {

std::string OrEmpty(const std::optional<std::string>& text) { return text.value_or(""); }
std::optional<std::string> OrNull(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

}  // namespace

DeviceRow ReadDevice(const postgres::Row& row) {
  const auto text = [&row](const char* column) { return OrEmpty(row.Get<std::optional<std::string>>(column)); };
  DeviceRow device;
  DeviceSettings& settings = device.settings;
  settings.device_id = row.Get<std::string>("device_id");
  settings.module_id = row.Get<std::string>("module_id");
  settings.managed_by = text("managed_by");
  settings.is_disabled = row.Get<bool>("disabled");
  settings.status_reason = text("status_reason");
  settings.authentication_type = row.Get<int16_t>("authentication_type");
  settings.keys = {row.GetBytes("sealed_keys"), text("primary_key"), text("secondary_key")};
  settings.primary_thumbprint = text("primary_thumbprint");
  settings.secondary_thumbprint = text("secondary_thumbprint");
  settings.is_iot_edge = row.Get<bool>("iot_edge");
  settings.device_scope = text("device_scope");
  settings.parent_scope = text("parent_scope");
  device.generation_id = row.Get<int64_t>("generation_id");
  device.etag = row.Get<int64_t>("etag");
  device.is_connected = row.Get<bool>("connected");
  device.connection_state_update_time = row.Get<std::optional<absl::Time>>("connection_state_update_time");
  device.status_update_time = row.Get<std::optional<absl::Time>>("status_update_time");
  device.last_activity_time = row.Get<std::optional<absl::Time>>("last_activity_time");
  device.create_time = row.Get<absl::Time>("create_time");
  return device;
}

std::vector<DeviceRow> ReadDevices(const postgres::Result& rows) {
  std::vector<DeviceRow> devices;
  devices.reserve(static_cast<size_t>(rows.size()));
  for (const postgres::Row row : rows) devices.push_back(ReadDevice(row));
  return devices;
}

void IdColumns::Add(const Identity& identity) {
  device_id.push_back(identity.device_id);
  module_id.push_back(identity.module_id);
}

void SettingsColumns::Add(const DeviceSettings& settings) {
  ids.Add(settings.identity());
  managed_by.push_back(OrNull(settings.managed_by));
  is_disabled.push_back(settings.is_disabled ? "t" : "f");
  status_reason.push_back(OrNull(settings.status_reason));
  authentication_type.push_back(settings.authentication_type);
  const bool has_keys = !settings.keys.sealed.empty();
  sealed_keys.push_back(has_keys ? std::optional(postgres::Bytes{settings.keys.sealed}) : std::nullopt);
  thumbprints[0].push_back(OrNull(settings.primary_thumbprint));
  thumbprints[1].push_back(OrNull(settings.secondary_thumbprint));
  is_iot_edge.push_back(settings.is_iot_edge ? "t" : "f");
  device_scope.push_back(OrNull(settings.device_scope));
  parent_scope.push_back(OrNull(settings.parent_scope));
}

void SettingsColumns::AddTo(postgres::Params& params) const {
  params.Add(ids.device_id);
  params.Add(ids.module_id);
  params.Add(managed_by);
  params.Add(is_disabled);
  params.Add(status_reason);
  params.Add(authentication_type);
  params.Add(sealed_keys);
  params.Add(thumbprints[0]);
  params.Add(thumbprints[1]);
  params.Add(is_iot_edge);
  params.Add(device_scope);
  params.Add(parent_scope);
}

void NewIdentityColumns::Add(const NewDevice& device) {
  settings.Add(device.settings);
  etag.push_back(device.twin.etag);
  version.push_back(device.twin.version);
  desired_version.push_back(device.twin.desired_version);
  reported_version.push_back(device.reported.reported_version);
  tags.push_back(json::Print(device.twin.tags));
  desired.push_back(json::Print(device.twin.desired));
  desired_metadata.push_back(json::Print(device.twin.desired_metadata));
  // Nobody has reported yet, as a rule: the metadata is that of a fresh twin made now.
  const bool is_fresh = device.reported.reported.is_null();
  reported.push_back(is_fresh ? "{}" : json::Print(device.reported.reported));
  reported_metadata.push_back(
      json::Print(is_fresh ? FreshTwin(absl::Now()).desired_metadata : device.reported.metadata));
}

postgres::Params NewIdentityColumns::ToParams() const {
  postgres::Params params;
  settings.AddTo(params);
  params.Add(etag);
  params.Add(version);
  params.Add(desired_version);
  params.Add(reported_version);
  params.Add(tags);
  params.Add(desired);
  params.Add(reported);
  params.Add(desired_metadata);
  params.Add(reported_metadata);
  return params;
}

}  // namespace fleetcast::twin
