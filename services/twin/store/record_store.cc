#include "services/twin/store/record_store.h"

#include <map>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "libs/base/status_macros.h"
#include "services/twin/twin_document.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;

#define FLEETCAST_RECORD_COLUMNS                                                                                      \
  "d.generation_id, d.authentication_type, d.sealed_keys, coalesce(d.primary_thumbprint, '') AS primary_thumbprint, " \
  "coalesce(d.secondary_thumbprint, '') AS secondary_thumbprint, d.subscriptions, d.has_session, t.desired_version "

constexpr Statement kLookup{
    "twin_record_lookup",
    "SELECT d.device_id, '' AS module_id, d.disabled, coalesce(primary_key, '') AS primary_key, "
    "coalesce(secondary_key, '') AS secondary_key, " FLEETCAST_RECORD_COLUMNS
    "FROM twin.device AS d JOIN twin.twin AS t USING (device_id) WHERE d.device_id = ANY($1::text[])"};

// A module may connect when its device may.
constexpr Statement kLookupModules{
    "twin_record_lookup_modules",
    "SELECT d.device_id, d.module_id, p.disabled, '' AS primary_key, '' AS secondary_key, " FLEETCAST_RECORD_COLUMNS
    "FROM unnest($1::text[], $2::text[]) AS u(device_id, module_id) "
    "JOIN twin.module AS d ON d.device_id = u.device_id AND d.module_id = u.module_id "
    "JOIN twin.module_twin AS t ON t.device_id = d.device_id AND t.module_id = d.module_id "
    "JOIN twin.device AS p ON p.device_id = d.device_id"};

// Rows are locked in order of id, so that two batches never wait for each other in a circle. What comes from the arrays
// is joined with the table's key only, so that a plan made for a few rows stays linear for ten thousand.
constexpr Statement kSaveSubscriptions{
    "twin_record_subscriptions",
    "WITH locked AS MATERIALIZED (SELECT u.device_id, u.subscriptions, u.has_session, u.epoch "
    "  FROM unnest($1::text[], $2::int[], $3::boolean[], $4::bigint[]) AS u(device_id, subscriptions, has_session, "
    "  epoch) JOIN twin.device AS d ON d.device_id = u.device_id ORDER BY d.device_id FOR NO KEY UPDATE OF d) "
    "UPDATE twin.device AS d SET subscriptions = u.subscriptions, has_session = u.has_session, "
    "  subscriptions_epoch = u.epoch "
    "FROM locked AS u WHERE d.device_id = u.device_id AND d.subscriptions_epoch <= u.epoch"};

constexpr Statement kDesiredVersions{
    "twin_record_desired_versions",
    "SELECT device_id, desired_version FROM twin.twin WHERE device_id = ANY($1::text[])"};

constexpr Statement kReadTwins{"twin_record_twins",
                               "SELECT device_id, desired, desired_version, reported, reported_version FROM twin.twin "
                               "WHERE device_id = ANY($1::text[])"};

constexpr Statement kPresence{
    "twin_record_presence",
    "WITH locked AS MATERIALIZED (SELECT u.device_id, u.connected, u.activity, u.epoch "
    "  FROM unnest($1::text[], $2::boolean[], $3::timestamptz[], $4::bigint[]) AS u(device_id, connected, activity, "
    "  epoch) JOIN twin.device AS d ON d.device_id = u.device_id ORDER BY d.device_id FOR NO KEY UPDATE OF d) "
    "UPDATE twin.device AS d SET "
    "  connected = coalesce(u.connected, d.connected), "
    "  connection_state_update_time = CASE WHEN u.connected <> d.connected THEN u.activity "
    "    ELSE d.connection_state_update_time END, "
    "  last_activity_time = greatest(d.last_activity_time, u.activity), "
    "  presence_epoch = u.epoch "
    "FROM locked AS u WHERE d.device_id = u.device_id AND d.presence_epoch <= u.epoch"};

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
          row.Get<int64_t>("desired_version")};
}

}  // namespace

absl::StatusOr<std::vector<DeviceRecordRow>> RecordStore::Lookup(absl::Time deadline,
                                                                 const std::vector<std::string>& device_ids) {
  std::vector<std::string> devices;
  IdColumns modules;
  for (const std::string& id : device_ids) {
    const size_t slash = id.find('/');
    if (slash == std::string::npos) {
      devices.push_back(id);
    } else {
      modules.Add({id.substr(0, slash), id.substr(slash + 1)});
    }
  }
  std::vector<DeviceRecordRow> records;
  records.reserve(device_ids.size());
  if (!devices.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kLookup, devices));
    for (const Row row : rows) records.push_back(ReadRecord(row));
  }
  if (!modules.device_id.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const Result rows,
                               pool_.Run(deadline, kLookupModules, modules.device_id, modules.module_id));
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
  std::vector<std::string> ids, has_session;
  std::vector<int32_t> subscriptions;
  std::vector<int64_t> epochs;
  for (const auto& [id, change] : last) {
    ids.push_back(id);
    subscriptions.push_back(change->is_deletion ? 0 : change->subscriptions);
    has_session.push_back(change->is_deletion ? "f" : "t");
    epochs.push_back(change->session_epoch);
  }
  FLEETCAST_RETURN_IF_ERROR(pool_.Run(deadline, kSaveSubscriptions, ids, subscriptions, has_session, epochs).status());
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kDesiredVersions, ids));
  absl::flat_hash_map<std::string, int64_t> version_of;
  for (const Row row : rows) version_of[row.Get<std::string>(0)] = row.Get<int64_t>(1);
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
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kReadTwins, device_ids));
  std::vector<DeviceTwinRow> twins;
  twins.reserve(rows.size());
  for (const Row row : rows) {
    const auto desired_version = row.Get<int64_t>("desired_version");
    twins.push_back({row.Get<std::string>("device_id"),
                     DeviceTwinDocument(row.Get<std::string_view>("desired"), desired_version,
                                        row.Get<std::string_view>("reported"), row.Get<int64_t>("reported_version")),
                     desired_version});
  }
  return twins;
}

absl::Status RecordStore::RecordPresence(absl::Time deadline, const std::vector<PresenceRow>& changes) {
  struct Merged {
    int64_t epoch = 0;
    std::optional<std::string> is_connected;  // Empty = not said.
    absl::Time activity = absl::InfinitePast();
  };
  std::map<std::string, Merged> devices;
  for (const PresenceRow& change : changes) {
    Merged& merged = devices[change.device_id];
    if (change.session_epoch < merged.epoch) continue;
    merged.epoch = change.session_epoch;
    if (!change.is_activity_only) merged.is_connected = change.is_connected ? "t" : "f";
    merged.activity = std::max(merged.activity, change.activity);
  }
  std::vector<std::string> ids;
  std::vector<std::optional<std::string>> connected;
  std::vector<absl::Time> activities;
  std::vector<int64_t> epochs;
  for (const auto& [id, merged] : devices) {
    ids.push_back(id);
    connected.push_back(merged.is_connected);
    activities.push_back(merged.activity);
    epochs.push_back(merged.epoch);
  }
  return pool_.Run(deadline, kPresence, ids, connected, activities, epochs).status();
}

absl::StatusOr<int64_t> RecordStore::RaiseGeneration(absl::Time deadline, int64_t seen) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kRaiseGeneration, seen));
  return rows[0].Get<int64_t>(0);
}

}  // namespace fleetcast::twin
