#include "services/twin/store/record_store.h"

#include <map>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "libs/base/status_macros.h"
#include "services/twin/store/session_sql.h"
#include "services/twin/twin_document.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;

#define FLEETCAST_RECORD_COLUMNS                                                                                      \
  "d.generation_id, d.authentication_type, d.sealed_keys, coalesce(d.primary_thumbprint, '') AS primary_thumbprint, " \
  "coalesce(d.secondary_thumbprint, '') AS secondary_thumbprint, d.subscriptions, d.has_session, t.desired_version, " \
  "d.session_expiry_seconds, d.presence_epoch, CASE WHEN d.connected OR d.session_expiry_seconds = 0 THEN 0 "         \
  "ELSE coalesce(ceil(extract(epoch FROM d.last_activity_time))::bigint, 0) + d.session_expiry_seconds END "          \
  "AS session_end "

constexpr Statement kLookup{
    "twin_record_lookup",
    "SELECT d.device_id, '' AS module_id, d.disabled, coalesce(primary_key, '') AS primary_key, "
    "coalesce(secondary_key, '') AS secondary_key, " FLEETCAST_RECORD_COLUMNS
    "FROM twin.device AS d JOIN twin.twin AS t USING (device_id) WHERE d.device_id = ANY($1::text[])"};

// A module may connect when its device may.
constexpr Statement kLookupModules{
    "twin_record_lookup_modules",
    "SELECT d.device_id, d.module_id, p.disabled, '' AS primary_key, '' AS secondary_key, " FLEETCAST_RECORD_COLUMNS
    "FROM unnest($1::text[]) AS u(name) JOIN twin.module AS d ON d.device_id = split_part(u.name, '/', 1) "
    "AND d.module_id = split_part(u.name, '/', 2) "
    "JOIN twin.module_twin AS t ON t.device_id = d.device_id AND t.module_id = d.module_id "
    "JOIN twin.device AS p ON p.device_id = d.device_id"};

constexpr Statement kRaiseGeneration{
    "twin_record_generation",
    "UPDATE twin.session_generation SET generation = greatest(generation, $1::bigint) + 1 RETURNING generation"};

DeviceRecordRow ReadRecord(const Row& row) {
  return {{row.Get<std::string>("device_id"), row.Get<std::string>("module_id")},
          row.Get<int64_t>("generation_id"),
          row.Get<bool>("disabled"),
          row.Get<int16_t>("authentication_type"),
          {row.GetBytes("sealed_keys"), row.Get<std::string>("primary_key"), row.Get<std::string>("secondary_key")},
          row.Get<std::string>("primary_thumbprint"),
          row.Get<std::string>("secondary_thumbprint"),
          row.Get<int32_t>("subscriptions"),
          row.Get<bool>("has_session"),
          row.Get<int64_t>("desired_version"),
          row.Get<int32_t>("session_expiry_seconds"),
          row.Get<int64_t>("session_end"),
          row.Get<int64_t>("presence_epoch")};
}

// Names of both kinds, which have statements of their own.
struct NamesByKind {
  explicit NamesByKind(const std::vector<std::string>& names) {
    for (const std::string& name : names) (IsModuleName(name) ? modules : devices).push_back(name);
  }

  std::vector<std::string> devices, modules;
};

// Changes of one kind as parallel arrays.
struct SubscriptionColumns {
  std::vector<std::string> names, has_session;
  std::vector<int32_t> subscriptions, expiries;
  std::vector<int64_t> epochs;

  void Add(const SubscriptionsChange& change) {
    names.push_back(change.device_id);
    subscriptions.push_back(change.is_deletion ? 0 : change.subscriptions);
    has_session.push_back(change.is_deletion ? "f" : "t");
    epochs.push_back(change.session_epoch);
    expiries.push_back(change.is_deletion ? 0 : change.session_expiry_seconds);
  }
  absl::Status Save(postgres::Pool& pool, absl::Time deadline, const SessionSql& sql) const {
    if (names.empty()) return absl::OkStatus();
    return pool.Run(deadline, sql.save_subscriptions, names, subscriptions, has_session, epochs, expiries).status();
  }
};

struct PresenceColumns {
  std::vector<std::string> names;
  std::vector<std::optional<std::string>> connected;  // nullopt = not said.
  std::vector<absl::Time> activities;
  std::vector<int64_t> epochs;

  absl::Status Record(postgres::Pool& pool, absl::Time deadline, const SessionSql& sql) const {
    if (names.empty()) return absl::OkStatus();
    return pool.Run(deadline, sql.presence, names, connected, activities, epochs).status();
  }
};

absl::Status ReadDesiredVersions(postgres::Pool& pool, absl::Time deadline, const Statement& statement,
                                 const std::vector<std::string>& names,
                                 absl::flat_hash_map<std::string, int64_t>& version_of) {
  if (names.empty()) return absl::OkStatus();
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool.Run(deadline, statement, names));
  for (const Row row : rows) version_of[row.Get<std::string>(0)] = row.Get<int64_t>(1);
  return absl::OkStatus();
}

absl::Status ReadTwinRows(postgres::Pool& pool, absl::Time deadline, const Statement& statement,
                          const std::vector<std::string>& names, std::vector<DeviceTwinRow>& twins) {
  if (names.empty()) return absl::OkStatus();
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool.Run(deadline, statement, names));
  for (const Row row : rows) {
    const auto desired_version = row.Get<int64_t>("desired_version");
    twins.push_back({row.Get<std::string>("device_id"),
                     DeviceTwinDocument(row.Get<std::string_view>("desired"), desired_version,
                                        row.Get<std::string_view>("reported"), row.Get<int64_t>("reported_version")),
                     desired_version});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<DeviceRecordRow>> RecordStore::Lookup(absl::Time deadline,
                                                                 const std::vector<std::string>& device_ids) {
  const NamesByKind names(device_ids);
  std::vector<DeviceRecordRow> records;
  records.reserve(device_ids.size());
  if (!names.devices.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kLookup, names.devices));
    for (const Row row : rows) records.push_back(ReadRecord(row));
  }
  if (!names.modules.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kLookupModules, names.modules));
    for (const Row row : rows) records.push_back(ReadRecord(row));
  }
  return records;
}

absl::StatusOr<std::vector<int64_t>> RecordStore::SaveSubscriptions(absl::Time deadline,
                                                                    const std::vector<SubscriptionsChange>& changes) {
  std::map<std::string, const SubscriptionsChange*> last;
  for (const SubscriptionsChange& change : changes) {
    const SubscriptionsChange*& kept = last[change.device_id];
    if (kept == nullptr || change.session_epoch >= kept->session_epoch) kept = &change;
  }
  SubscriptionColumns devices, modules;
  for (const auto& [name, change] : last) (IsModuleName(name) ? modules : devices).Add(*change);
  FLEETCAST_RETURN_IF_ERROR(devices.Save(pool_, deadline, DeviceSessionSql()));
  FLEETCAST_RETURN_IF_ERROR(modules.Save(pool_, deadline, ModuleSessionSql()));
  absl::flat_hash_map<std::string, int64_t> version_of;
  FLEETCAST_RETURN_IF_ERROR(
      ReadDesiredVersions(pool_, deadline, DeviceSessionSql().desired_versions, devices.names, version_of));
  FLEETCAST_RETURN_IF_ERROR(
      ReadDesiredVersions(pool_, deadline, ModuleSessionSql().desired_versions, modules.names, version_of));
  std::vector<int64_t> versions;
  versions.reserve(changes.size());
  for (const SubscriptionsChange& change : changes) {
    const auto found = version_of.find(change.device_id);
    versions.push_back(found == version_of.end() ? 0 : found->second);
  }
  return versions;
}

absl::StatusOr<std::vector<DeviceTwinRow>> RecordStore::ReadTwins(absl::Time deadline,
                                                                  const std::vector<std::string>& device_ids) {
  const NamesByKind names(device_ids);
  std::vector<DeviceTwinRow> twins;
  twins.reserve(device_ids.size());
  FLEETCAST_RETURN_IF_ERROR(ReadTwinRows(pool_, deadline, DeviceSessionSql().read_twins, names.devices, twins));
  FLEETCAST_RETURN_IF_ERROR(ReadTwinRows(pool_, deadline, ModuleSessionSql().read_twins, names.modules, twins));
  return twins;
}

absl::Status RecordStore::RecordPresence(absl::Time deadline, const std::vector<PresenceRow>& changes) {
  struct Merged {
    int64_t epoch = 0;
    std::optional<std::string> is_connected;  // Empty = not said.
    absl::Time activity = absl::InfinitePast();
  };
  std::map<std::string, Merged> identities;
  for (const PresenceRow& change : changes) {
    Merged& merged = identities[change.device_id];
    if (change.session_epoch < merged.epoch) continue;
    merged.epoch = change.session_epoch;
    if (!change.is_activity_only) merged.is_connected = change.is_connected ? "t" : "f";
    merged.activity = std::max(merged.activity, change.activity);
  }
  PresenceColumns devices, modules;
  for (const auto& [name, merged] : identities) {
    PresenceColumns& columns = IsModuleName(name) ? modules : devices;
    columns.names.push_back(name);
    columns.connected.push_back(merged.is_connected);
    columns.activities.push_back(merged.activity);
    columns.epochs.push_back(merged.epoch);
  }
  FLEETCAST_RETURN_IF_ERROR(devices.Record(pool_, deadline, DeviceSessionSql()));
  return modules.Record(pool_, deadline, ModuleSessionSql());
}

absl::StatusOr<int64_t> RecordStore::RaiseGeneration(absl::Time deadline, int64_t seen) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kRaiseGeneration, seen));
  return rows[0].Get<int64_t>(0);
}

}  // namespace fleetcast::twin
