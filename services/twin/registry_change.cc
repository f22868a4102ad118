#include "services/twin/registry_change.h"

#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/reasons.h"
#include "services/twin/device_settings.h"

namespace fleetcast::twin {
namespace {

using registry::v1::DeviceChange;
using Kind = RegistryChange::Kind;

absl::StatusOr<Kind> KindOf(DeviceChange::Kind kind) {
  switch (kind) {
    case DeviceChange::KIND_CREATE: return Kind::kCreate;
    case DeviceChange::KIND_UPDATE:
    case DeviceChange::KIND_UPDATE_IF_MATCH: return Kind::kUpdate;
    case DeviceChange::KIND_DELETE:
    case DeviceChange::KIND_DELETE_IF_MATCH: return Kind::kDelete;
    case DeviceChange::KIND_UPDATE_TWIN:
    case DeviceChange::KIND_UPDATE_TWIN_IF_MATCH: return Kind::kEditTwin;
    case DeviceChange::KIND_CREATE_OR_UPDATE:
    case DeviceChange::KIND_CREATE_OR_UPDATE_IF_MATCH: return Kind::kCreateOrUpdate;
    default: return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue, "unknown kind of change");
  }
}

// The etag that the identity must have.
EtagCondition ConditionOf(const DeviceChange& change) {
  switch (change.kind()) {
    case DeviceChange::KIND_UPDATE_IF_MATCH:
    case DeviceChange::KIND_DELETE_IF_MATCH:
    case DeviceChange::KIND_CREATE_OR_UPDATE_IF_MATCH: return EtagCondition::Parse(change.device().etag());
    default: return EtagCondition::Parse("*");
  }
}

registry::v1::Module ModuleOf(const DeviceChange& change) {
  const registry::v1::Device& device = change.device();
  registry::v1::Module module;
  module.set_device_id(device.id());
  module.set_id(change.module_id());
  module.set_managed_by(change.managed_by());
  module.set_authentication_type(device.authentication_type());
  module.set_primary_key(device.primary_key());
  module.set_secondary_key(device.secondary_key());
  module.set_primary_thumbprint(device.primary_thumbprint());
  module.set_secondary_thumbprint(device.secondary_thumbprint());
  return module;
}

absl::StatusOr<DeviceSettings> SettingsOf(const DeviceChange& change, const KeyVault& vault) {
  if (change.module_id().empty()) return ReadSettings(change.device(), vault);
  return ReadSettings(ModuleOf(change), vault);
}

}  // namespace

absl::StatusOr<RegistryChange> ReadIdentityChange(const DeviceChange& change, const KeyVault& vault) {
  RegistryChange out;
  FLEETCAST_ASSIGN_OR_RETURN(out.kind, KindOf(change.kind()));
  out.condition = ConditionOf(change);
  if (out.kind == Kind::kDelete || out.kind == Kind::kEditTwin) {
    // Ids that cannot exist are not found. A slash would mean another identity.
    out.device.settings.device_id = change.device().id();
    out.device.settings.module_id = change.module_id();
    FLEETCAST_RETURN_IF_ERROR(ValidateDeviceId(change.device().id()));
    if (!change.module_id().empty()) FLEETCAST_RETURN_IF_ERROR(ValidateModuleId(change.module_id()));
    return out;
  }
  FLEETCAST_ASSIGN_OR_RETURN(out.device.settings, SettingsOf(change, vault));
  out.keeps_credentials = out.kind == Kind::kCreateOrUpdate && HasNoCredentials(change.device());
  return out;
}

absl::StatusOr<RegistryChange> ReadChange(const DeviceChange& change, const KeyVault& vault, absl::Time now) {
  FLEETCAST_ASSIGN_OR_RETURN(RegistryChange out, ReadIdentityChange(change, vault));
  if (out.kind == Kind::kUpdate || out.kind == Kind::kDelete) return out;
  if (out.kind == Kind::kCreateOrUpdate) {
    FLEETCAST_ASSIGN_OR_RETURN(out.edit, ParseRestoration(change.tags(), change.desired()));
  } else {
    FLEETCAST_ASSIGN_OR_RETURN(out.edit, ParseMerge(change.tags(), change.desired()));
  }
  if (out.kind == Kind::kEditTwin) {
    const bool is_conditional = change.kind() == DeviceChange::KIND_UPDATE_TWIN_IF_MATCH;
    out.twin_condition = EtagCondition::Parse(is_conditional ? change.twin_etag() : "*");
    return out;
  }
  out.device.twin = FreshTwin(now);
  FLEETCAST_RETURN_IF_ERROR(ApplyEdit(out.edit, now, out.device.twin).status());
  return out;
}

}  // namespace fleetcast::twin
