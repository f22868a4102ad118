#include "services/twin/store/identity_sql.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/twin/store/identity_words.h"
#include "services/twin/store/twin_rows.h"

namespace fleetcast::twin {
namespace {

constexpr char kColumns[] =
    "d.device_id, {own columns}, d.generation_id, d.etag, d.disabled, d.status_reason, d.status_update_time, "
    "d.authentication_type, d.sealed_keys, d.primary_thumbprint, d.secondary_thumbprint, d.iot_edge, d.create_time, "
    "d.connected, d.connection_state_update_time, d.last_activity_time";

constexpr char kIds[] = "unnest($1::text[], $2::text[]) AS u(device_id, module_id)";

// The columns of SettingsColumns, after the ids.
constexpr char kSettings[] =
    "unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bytea[], $8::text[], "
    "$9::text[], $10::text[], $11::text[], $12::text[]";
constexpr char kSettingsNames[] =
    "device_id, module_id, managed_by, disabled, status_reason, authentication_type, sealed_keys, primary_thumbprint, "
    "secondary_thumbprint, iot_edge, device_scope, parent_scope";

// .NET ticks, as IoT Hub's generation ids look: unique for one device as long as time goes on.
constexpr char kNewGeneration[] =
    "((extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 10 + 621355968000000000)";

std::string Create() {
  return absl::StrCat(
      "WITH given AS MATERIALIZED (SELECT * FROM ", kSettings,
      ", $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::jsonb[], $18::jsonb[], $19::jsonb[], "
      "$20::jsonb[], $21::jsonb[]) AS given(",
      kSettingsNames,
      ", etag, version, desired_version, reported_version, tags, desired, reported, desired_metadata, "
      "reported_metadata) ORDER BY device_id COLLATE \"C\", module_id COLLATE \"C\"), "
      "created AS (INSERT INTO {table} AS d ({into}, generation_id, etag, authentication_type, sealed_keys, "
      "primary_thumbprint, secondary_thumbprint) SELECT {from}, ",
      kNewGeneration,
      ", nextval('twin.device_etag'), authentication_type, sealed_keys, primary_thumbprint, secondary_thumbprint "
      "FROM given ON CONFLICT ({key}) DO NOTHING RETURNING ",
      kColumns,
      "), twins AS (INSERT INTO {twins} ({key}, etag, version, desired_version, reported_version, session_epoch, tags, "
      "desired, reported, desired_metadata, reported_metadata) SELECT {key}, given.etag, version, desired_version, "
      "reported_version, coalesce((SELECT old.session_epoch + 1 FROM twin.deleted_device AS old WHERE old.device_id = "
      "{given.name}), 0), tags, desired, reported, desired_metadata, reported_metadata "
      "FROM (SELECT {key} FROM created) AS made JOIN given USING ({key})) "
      "SELECT * FROM created ORDER BY device_id COLLATE \"C\", module_id COLLATE \"C\"");
}

std::string Get() { return absl::StrCat("SELECT ", kColumns, " FROM ", kIds, " JOIN {table} AS d ON {d is u}"); }

std::string Lock() { return absl::StrCat(Get(), " ORDER BY {d.order} FOR UPDATE OF d"); }

std::string Update() {
  return absl::StrCat(
      "UPDATE {table} AS d SET etag = nextval('twin.device_etag'), authentication_type = u.authentication_type, "
      "sealed_keys = u.sealed_keys, primary_thumbprint = u.primary_thumbprint, "
      "secondary_thumbprint = u.secondary_thumbprint, {set} FROM ",
      kSettings, ") AS u(", kSettingsNames, ") WHERE {d is u} RETURNING ", kColumns);
}

std::string Remove() {
  return absl::StrCat(
      "WITH gone AS (DELETE FROM {table} AS d USING ", kIds,
      " WHERE {d is u} RETURNING d.*), twin_gone AS (DELETE FROM {twins} AS t USING ", kIds,
      " WHERE {t is u} RETURNING t.*) INSERT INTO twin.deleted_device (device_id, session_epoch) "
      "SELECT {name}, greatest(presence_epoch, subscriptions_epoch, session_epoch) FROM gone JOIN twin_gone USING "
      "({key}) "
      "ON CONFLICT (device_id) DO UPDATE SET session_epoch = greatest(twin.deleted_device.session_epoch, "
      "excluded.session_epoch), delete_time = now()");
}

// Reads only the sections that the edit needs: the others stay compressed where they are.
std::string LockTwin() {
  return "SELECT {t.name} AS device_id, t.etag, t.version, t.desired_version, CASE WHEN $2 THEN t.tags END AS tags, "
         "CASE WHEN $3 THEN t.desired END AS desired, CASE WHEN $3 THEN t.desired_metadata END AS desired_metadata, "
         "clock_timestamp() AS now FROM {named twins} ORDER BY {names order} FOR NO KEY UPDATE OF t";
}

std::string WriteTwin(std::string_view set, std::string_view arrays, std::string_view names) {
  return absl::StrCat("UPDATE {twins} AS t SET etag = t.etag + 1, version = t.version + 1, ",
                      absl::string_view(set.data(), set.size()), " FROM unnest($1::text[], ",
                      absl::string_view(arrays.data(), arrays.size()), ") AS u(name, ",
                      absl::string_view(names.data(), names.size()), ") WHERE {t is name}");
}

std::string GetTwin() {
  return "SELECT " FLEETCAST_TWIN_COLUMNS "{scopes} FROM {twins} AS t JOIN {table} AS d USING ({key}) WHERE {t is one}";
}

IdentitySql MakeIdentitySql(const IdentityWords& words) {
  return {
      .create = MakeStatement(words, "create", Create()),
      .get = MakeStatement(words, "get", Get()),
      .lock = MakeStatement(words, "lock", Lock()),
      .update = MakeStatement(words, "update", Update()),
      .remove = MakeStatement(words, "remove", Remove()),
      .lock_twin = MakeStatement(words, "edit_lock", LockTwin()),
      .write_tags = MakeStatement(words, "edit_tags", WriteTwin("tags = u.tags", "$2::jsonb[]", "tags")),
      .write_desired = MakeStatement(words, "edit_desired",
                                     WriteTwin("desired_version = t.desired_version + 1, desired = u.desired, "
                                               "desired_metadata = u.metadata",
                                               "$2::jsonb[], $3::jsonb[]", "desired, metadata")),
      .write_both =
          MakeStatement(words, "edit_both",
                        WriteTwin("desired_version = t.desired_version + 1, tags = u.tags, desired = u.desired, "
                                  "desired_metadata = u.metadata",
                                  "$2::jsonb[], $3::jsonb[], $4::jsonb[]", "tags, desired, metadata")),
      .get_twin = MakeStatement(words, "get_twin", GetTwin()),
  };
}

}  // namespace

const IdentitySql& DeviceSql() {
  static const auto* const sql = new IdentitySql(MakeIdentitySql(DeviceWords()));
  return *sql;
}

const IdentitySql& ModuleSql() {
  static const auto* const sql = new IdentitySql(MakeIdentitySql(ModuleWords()));
  return *sql;
}

}  // namespace fleetcast::twin
