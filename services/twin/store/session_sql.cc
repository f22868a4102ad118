#include "services/twin/store/session_sql.h"

#include "services/twin/store/identity_words.h"

namespace fleetcast::twin {
namespace {

// What comes from the arrays is joined with the table's key only, so that a plan made for a few rows stays linear for
// ten thousand.
constexpr char kSaveSubscriptions[] =
    "WITH locked AS MATERIALIZED (SELECT {d.order}, u.subscriptions, u.has_session, u.epoch, u.expiry "
    "  FROM unnest($1::text[], $2::int[], $3::boolean[], $4::bigint[], $5::int[]) "
    "    AS u(name, subscriptions, has_session, epoch, expiry) "
    "  JOIN {table} AS d ON {d is name} ORDER BY {d.order} FOR NO KEY UPDATE OF d) "
    "UPDATE {table} AS d SET subscriptions = u.subscriptions, has_session = u.has_session, "
    "  subscriptions_epoch = u.epoch, session_expiry_seconds = u.expiry "
    "FROM locked AS u WHERE {d is u} AND d.subscriptions_epoch <= u.epoch";

constexpr char kDesiredVersions[] = "SELECT {t.name}, t.desired_version FROM {named twins}";

constexpr char kReadTwins[] =
    "SELECT {t.name} AS device_id, t.desired, t.desired_version, t.reported, t.reported_version FROM {named twins}";

constexpr char kPresence[] =
    "WITH locked AS MATERIALIZED (SELECT {d.order}, u.connected, u.activity, u.epoch "
    "  FROM unnest($1::text[], $2::boolean[], $3::timestamptz[], $4::bigint[]) AS u(name, connected, activity, epoch) "
    "  JOIN {table} AS d ON {d is name} ORDER BY {d.order} FOR NO KEY UPDATE OF d) "
    "UPDATE {table} AS d SET "
    "  connected = coalesce(u.connected, d.connected), "
    "  connection_state_update_time = CASE WHEN u.connected <> d.connected THEN u.activity "
    "    ELSE d.connection_state_update_time END, "
    "  last_activity_time = greatest(d.last_activity_time, u.activity), "
    "  presence_epoch = u.epoch "
    "FROM locked AS u WHERE {d is u} AND d.presence_epoch <= u.epoch";

constexpr char kLockReported[] =
    "SELECT {t.name} AS device_id, t.version, t.reported_version, t.session_epoch, t.reported, t.reported_metadata, "
    "clock_timestamp() AS now FROM {named twins} ORDER BY {names order} FOR NO KEY UPDATE OF t";

constexpr char kWriteReported[] =
    "UPDATE {twins} AS t SET version = u.version, reported_version = u.reported_version, session_epoch = u.epoch, "
    "reported = u.reported, reported_metadata = u.metadata "
    "FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::jsonb[], $6::jsonb[]) "
    "AS u(name, version, reported_version, epoch, reported, metadata) WHERE {t is name}";

SessionSql MakeSessionSql(const IdentityWords& words) {
  return {.save_subscriptions = MakeStatement(words, "session_subscriptions", kSaveSubscriptions),
          .desired_versions = MakeStatement(words, "session_desired_versions", kDesiredVersions),
          .read_twins = MakeStatement(words, "session_twins", kReadTwins),
          .presence = MakeStatement(words, "session_presence", kPresence),
          .lock_reported = MakeStatement(words, "session_reported_lock", kLockReported),
          .write_reported = MakeStatement(words, "session_reported_write", kWriteReported)};
}

}  // namespace

const SessionSql& DeviceSessionSql() {
  static const auto* const sql = new SessionSql(MakeSessionSql(DeviceWords()));
  return *sql;
}

const SessionSql& ModuleSessionSql() {
  static const auto* const sql = new SessionSql(MakeSessionSql(ModuleWords()));
  return *sql;
}

}  // namespace fleetcast::twin
