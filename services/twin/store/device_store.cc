#include "services/twin/store/device_store.h"

#include "libs/base/status_macros.h"
#include "services/twin/store/identity_sql.h"
#include "services/twin/store/identity_writer.h"
#include "services/twin/store/transact_once.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

constexpr Statement kList{
    "twin_device_list",
    "SELECT device_id, ''::text AS module_id, NULL::text AS managed_by, generation_id, etag, disabled, status_reason, "
    "status_update_time, authentication_type, primary_key, secondary_key, sealed_keys, primary_thumbprint, "
    "secondary_thumbprint, iot_edge, device_scope, parent_scope, create_time, connected, connection_state_update_time, "
    "last_activity_time FROM twin.device WHERE device_id > $1 ORDER BY device_id LIMIT $2"};

constexpr Statement kListModules{
    "twin_module_list",
    "SELECT device_id, module_id, managed_by, generation_id, etag, disabled, status_reason, status_update_time, "
    "authentication_type, NULL::text AS primary_key, NULL::text AS secondary_key, sealed_keys, primary_thumbprint, "
    "secondary_thumbprint, iot_edge, NULL::text AS device_scope, NULL::text AS parent_scope, create_time, connected, "
    "connection_state_update_time, last_activity_time FROM twin.module WHERE device_id = $1 ORDER BY module_id"};

constexpr Statement kCount{"twin_device_count",
                           "SELECT count(*), count(*) FILTER (WHERE disabled), count(*) FILTER (WHERE connected) "
                           "FROM twin.device"};

IdentityKind KindOf(const Identity& identity) {
  return identity.module_id.empty() ? IdentityKind::kDevice : IdentityKind::kModule;
}

// Locks one identity whose etag is as wanted, a module together with its device.
absl::Status LockOne(Transaction& transaction, const Identity& identity, const EtagCondition& condition) {
  const IdentityKind kind = KindOf(identity);
  if (kind == IdentityKind::kModule) {
    FLEETCAST_ASSIGN_OR_RETURN(const auto devices, LockDevicesOfModules(transaction, {identity.device_id}));
    if (devices.empty()) return DeviceNotFound(identity.device_id);
  }
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<DeviceRow> rows, LockIdentities(transaction, kind, {identity}));
  if (rows.empty()) return IdentityNotFound(identity);
  const bool matches = condition.Matches(DeviceEtag(static_cast<uint64_t>(rows[0].etag)));
  return matches ? absl::OkStatus() : IdentityEtagMismatch(identity);
}

}  // namespace

absl::Status DeviceNotFound(std::string_view device_id) { return IdentityNotFound({std::string(device_id), ""}); }

absl::Status EtagMismatch(std::string_view device_id) { return IdentityEtagMismatch({std::string(device_id), ""}); }

absl::StatusOr<std::vector<DeviceRow>> DeviceStore::Create(absl::Time deadline, const std::vector<NewDevice>& devices) {
  std::vector<const NewDevice*> all;
  for (const NewDevice& device : devices) all.push_back(&device);
  return TransactOnce(pool_, deadline, [&](Transaction& transaction) {
    return CreateIdentities(transaction, IdentityKind::kDevice, all);
  });
}

absl::StatusOr<DeviceRow> DeviceStore::CreateModule(absl::Time deadline, const NewDevice& module) {
  const Identity identity = module.settings.identity();
  return TransactOnce(pool_, deadline, [&](Transaction& transaction) -> absl::StatusOr<DeviceRow> {
    FLEETCAST_ASSIGN_OR_RETURN(const auto devices, LockDevicesOfModules(transaction, {identity.device_id}));
    if (devices.empty()) return DeviceNotFound(identity.device_id);
    FLEETCAST_ASSIGN_OR_RETURN(std::vector<DeviceRow> rows,
                               CreateIdentities(transaction, IdentityKind::kModule, {&module}));
    if (rows.empty()) return IdentityAlreadyExists(identity);
    if (devices[0].modules >= kModulesPerDeviceMax) return TooManyModules(identity);
    return std::move(rows[0]);
  });
}

absl::StatusOr<DeviceRow> DeviceStore::Get(absl::Time deadline, const Identity& identity) {
  const IdentitySql& sql = KindOf(identity) == IdentityKind::kDevice ? DeviceSql() : ModuleSql();
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows,
                             pool_.Run(deadline, sql.get, std::vector<std::string>{identity.device_id},
                                       std::vector<std::string>{identity.module_id}));
  if (!rows.empty()) return ReadDevice(rows[0]);
  if (KindOf(identity) == IdentityKind::kDevice) return IdentityNotFound(identity);
  FLEETCAST_RETURN_IF_ERROR(Get(deadline, identity.device_id).status());  // Which of the two is missing?
  return IdentityNotFound(identity);
}

absl::StatusOr<std::vector<DeviceRow>> DeviceStore::List(absl::Time deadline, std::string_view after, int limit) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kList, after, limit));
  return ReadDevices(rows);
}

absl::StatusOr<std::vector<DeviceRow>> DeviceStore::ListModules(absl::Time deadline, const std::string& device_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kListModules, device_id));
  if (rows.empty()) FLEETCAST_RETURN_IF_ERROR(Get(deadline, device_id).status());
  return ReadDevices(rows);
}

absl::StatusOr<DeviceRow> DeviceStore::Update(absl::Time deadline, const DeviceSettings& settings,
                                              const EtagCondition& condition) {
  const Identity identity = settings.identity();
  return TransactOnce(pool_, deadline, [&](Transaction& transaction) -> absl::StatusOr<DeviceRow> {
    FLEETCAST_RETURN_IF_ERROR(LockOne(transaction, identity, condition));
    FLEETCAST_ASSIGN_OR_RETURN(std::vector<DeviceRow> rows,
                               UpdateIdentities(transaction, KindOf(identity), {&settings}));
    if (rows.empty()) return IdentityNotFound(identity);
    return std::move(rows[0]);
  });
}

absl::Status DeviceStore::Delete(absl::Time deadline, const Identity& identity, const EtagCondition& condition) {
  return TransactOnce(pool_, deadline,
                      [&](Transaction& transaction) -> absl::StatusOr<bool> {
                        FLEETCAST_RETURN_IF_ERROR(LockOne(transaction, identity, condition));
                        FLEETCAST_RETURN_IF_ERROR(RemoveIdentities(transaction, KindOf(identity), {identity}));
                        return true;
                      })
      .status();
}

absl::StatusOr<DeviceCounts> DeviceStore::Count(absl::Time deadline) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kCount));
  return DeviceCounts{rows[0].Get<int64_t>(0), rows[0].Get<int64_t>(1), rows[0].Get<int64_t>(2)};
}

}  // namespace fleetcast::twin
