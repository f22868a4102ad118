#include "services/twin/store/identity_writer.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"
#include "services/twin/store/identity_sql.h"
#include "services/twin/store/outbox.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

// Locks strongly enough against another module of the device and against its deletion, and does not stop its updates of
// presence for longer than this transaction.
constexpr Statement kLockDevices{"twin_module_devices_lock",
                                 "SELECT device_id FROM twin.device WHERE device_id = ANY($1::text[]) "
                                 "ORDER BY device_id FOR NO KEY UPDATE"};

// Not in the statement above: it would count with a snapshot from before the lock.
constexpr Statement kCountModules{"twin_module_count",
                                  "SELECT device_id, count(*) FROM twin.module WHERE device_id = ANY($1::text[]) "
                                  "GROUP BY device_id"};

constexpr Statement kModulesOf{"twin_modules_of",
                               "SELECT device_id, module_id FROM twin.module WHERE device_id = ANY($1::text[]) "
                               "ORDER BY device_id, module_id FOR UPDATE"};

const IdentitySql& SqlOf(IdentityKind kind) { return kind == IdentityKind::kDevice ? DeviceSql() : ModuleSql(); }

IdColumns IdsOf(const std::vector<Identity>& identities) {
  IdColumns ids;
  for (const Identity& identity : identities) ids.Add(identity);
  return ids;
}

absl::Status RemoveRows(Transaction& transaction, IdentityKind kind, const std::vector<Identity>& identities) {
  if (identities.empty()) return absl::OkStatus();
  const IdColumns ids = IdsOf(identities);
  FLEETCAST_RETURN_IF_ERROR(transaction.Run(SqlOf(kind).remove, ids.device_id, ids.module_id).status());
  std::vector<std::string> names;
  for (const Identity& identity : identities) names.push_back(identity.ToString());
  return AppendRecordChange(transaction, names, true);
}

}  // namespace

absl::StatusOr<std::vector<DeviceRow>> LockIdentities(Transaction& transaction, IdentityKind kind,
                                                      const std::vector<Identity>& identities) {
  if (identities.empty()) return std::vector<DeviceRow>();
  const IdColumns ids = IdsOf(identities);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(SqlOf(kind).lock, ids.device_id, ids.module_id));
  return ReadDevices(rows);
}

absl::StatusOr<std::vector<DeviceRow>> CreateIdentities(Transaction& transaction, IdentityKind kind,
                                                        const std::vector<const NewDevice*>& devices) {
  if (devices.empty()) return std::vector<DeviceRow>();
  NewIdentityColumns columns;
  for (const NewDevice* device : devices) columns.Add(*device);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(SqlOf(kind).create, columns.ToParams()));
  std::vector<DeviceRow> created = ReadDevices(rows);
  std::vector<std::string> names;
  for (const DeviceRow& row : created) names.push_back(row.settings.identity().ToString());
  FLEETCAST_RETURN_IF_ERROR(AppendRecordChange(transaction, names, false));
  return created;
}

absl::StatusOr<std::vector<DeviceRow>> UpdateIdentities(Transaction& transaction, IdentityKind kind,
                                                        const std::vector<const DeviceSettings*>& settings) {
  if (settings.empty()) return std::vector<DeviceRow>();
  SettingsColumns columns;
  std::vector<std::string> enabled, disabled;
  for (const DeviceSettings* one : settings) {
    columns.Add(*one);
    (one->is_disabled ? disabled : enabled).push_back(one->identity().ToString());
  }
  postgres::Params params;
  columns.AddTo(params);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(SqlOf(kind).update, params));
  if (kind == IdentityKind::kDevice && !disabled.empty()) {  // Their modules may not stay either.
    FLEETCAST_ASSIGN_OR_RETURN(const Result modules, transaction.Run(kModulesOf, disabled));
    for (const Row row : modules) {
      disabled.push_back(Identity{row.Get<std::string>(0), row.Get<std::string>(1)}.ToString());
    }
  }
  FLEETCAST_RETURN_IF_ERROR(AppendRecordChange(transaction, enabled, false));
  FLEETCAST_RETURN_IF_ERROR(AppendRecordChange(transaction, disabled, true));
  return ReadDevices(rows);
}

absl::Status RemoveIdentities(Transaction& transaction, IdentityKind kind, const std::vector<Identity>& identities) {
  if (identities.empty()) return absl::OkStatus();
  if (kind == IdentityKind::kDevice) {
    FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kModulesOf, IdsOf(identities).device_id));
    std::vector<Identity> modules;
    for (const Row row : rows) modules.push_back({row.Get<std::string>(0), row.Get<std::string>(1)});
    FLEETCAST_RETURN_IF_ERROR(RemoveRows(transaction, IdentityKind::kModule, modules));
  }
  return RemoveRows(transaction, kind, identities);
}

absl::StatusOr<std::vector<LockedDevice>> LockDevicesOfModules(Transaction& transaction,
                                                               const std::vector<std::string>& device_ids) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result locked, transaction.Run(kLockDevices, device_ids));
  FLEETCAST_ASSIGN_OR_RETURN(const Result counted, transaction.Run(kCountModules, device_ids));
  std::vector<LockedDevice> devices;
  for (const Row row : locked) devices.push_back({row.Get<std::string>(0), 0});
  for (const Row row : counted) {
    const std::string_view id = row.Get<std::string_view>(0);
    for (LockedDevice& device : devices) {
      if (device.device_id == id) device.modules = static_cast<int>(row.Get<int64_t>(1));
    }
  }
  return devices;
}

absl::Status IdentityNotFound(const Identity& identity) {
  if (identity.module_id.empty()) {
    return MakeError(absl::StatusCode::kNotFound, reasons::kDeviceNotFound,
                     absl::StrCat("Device ", identity.device_id, " not registered"), {{"device", identity.device_id}});
  }
  return MakeError(absl::StatusCode::kNotFound, reasons::kModuleNotFound,
                   absl::StrCat("Module ", identity.ToString(), " not registered"),
                   {{"device", identity.device_id}, {"module", identity.module_id}});
}

absl::Status IdentityAlreadyExists(const Identity& identity) {
  if (identity.module_id.empty()) {
    return MakeError(absl::StatusCode::kAlreadyExists, reasons::kDeviceAlreadyExists,
                     absl::StrCat("A device with ID '", identity.device_id, "' is already registered."),
                     {{"device", identity.device_id}});
  }
  return MakeError(absl::StatusCode::kAlreadyExists, reasons::kModuleAlreadyExists,
                   absl::StrCat("A module with ID '", identity.module_id, "' is already registered on device '",
                                identity.device_id, "'."),
                   {{"device", identity.device_id}, {"module", identity.module_id}});
}

absl::Status IdentityEtagMismatch(const Identity& identity) {
  const bool is_device = identity.module_id.empty();
  return MakeError(
      absl::StatusCode::kAborted, reasons::kEtagMismatch,
      absl::StrCat("ETag mismatch for ", is_device ? "device" : "module", " ID '", identity.ToString(), "'"),
      {{"device", identity.device_id}});
}

absl::Status TooManyModules(const Identity& identity) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reasons::kTooManyModules,
                   absl::StrCat("A device has at most ", kModulesPerDeviceMax, " modules"),
                   {{"device", identity.device_id}});
}

}  // namespace fleetcast::twin
