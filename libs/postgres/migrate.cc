#include "libs/postgres/migrate.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/postgres/reasons.h"
#include "libs/telemetry/log.h"

namespace fleetcast::postgres {
namespace {

// The schema's name is part of the statements; it comes from our source and is a plain identifier.
std::string WithSchema(std::string_view sql, std::string_view schema) {
  return absl::StrReplaceAll(Absl(sql), {{"@schema@", Absl(schema)}});
}

constexpr char kPrepareSql[] = R"sql(
CREATE SCHEMA IF NOT EXISTS @schema@;
CREATE TABLE IF NOT EXISTS @schema@.schema_migration (
  version      int PRIMARY KEY,
  name         text NOT NULL,
  sha256       text NOT NULL,
  applied_time timestamptz NOT NULL DEFAULT now()
);
)sql";
constexpr char kAppliedSql[] = "SELECT version, name, sha256 FROM @schema@.schema_migration ORDER BY version";
constexpr char kInsertSql[] = "INSERT INTO @schema@.schema_migration (version, name, sha256) VALUES ($1, $2, $3)";

constexpr absl::Duration kAwaitPause = absl::Milliseconds(200);

constexpr Statement kPing{"postgres_ping", "SELECT 1"};
constexpr Statement kLock{"postgres_migrate_lock",
                          "SELECT pg_advisory_xact_lock(hashtextextended('fleetcast.' || $1, 0))"};
constexpr Statement kTableExists{"postgres_migrate_table_exists",
                                 "SELECT to_regclass($1 || '.schema_migration') IS NOT NULL"};
constexpr Statement kSettings{"postgres_settings", R"sql(
SELECT current_setting('fsync') = 'on' AS fsync,
       current_setting('full_page_writes') = 'on' AS full_page_writes,
       current_setting('synchronous_commit') IN ('on', 'remote_write', 'remote_apply') AS synchronous_commit,
       NOT pg_is_in_recovery() AS primary_server
)sql"};

constexpr absl::Duration kMigrateLimit = absl::Minutes(10);
constexpr absl::Duration kCheckLimit = absl::Seconds(30);
constexpr int64_t kStatementMillisMax = 24 * 60 * 60 * 1000;

absl::Status SchemaError(const char* reason, std::string_view schema, const std::string& message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, absl::StrCat("schema ", Absl(schema), ": ", message),
                   {{"schema", std::string(schema)}});
}

// How many of `migrations` have been applied; an error when something else was.
absl::StatusOr<size_t> Compare(const Result& applied, std::string_view schema, std::span<const Migration> migrations) {
  for (int i = 0; i < applied.size(); ++i) {
    const Row row = applied[i];
    const auto version = row.Get<int32_t>("version");
    if (static_cast<size_t>(i) >= migrations.size()) {
      return SchemaError(
          kSchemaTooNew, schema,
          absl::StrCat("the database is at version ", version, ", this program knows ", migrations.size()));
    }
    const Migration& ours = migrations[i];
    if (version != ours.version || row.Get<std::string_view>("sha256") != ours.sha256) {
      return SchemaError(kSchemaChanged, schema,
                         absl::StrCat("migration ", row.Get<std::string>("name"), " ran with another content than ",
                                      Absl(ours.name), " has now"));
    }
  }
  return static_cast<size_t>(applied.size());
}

// Repeats `attempt` while the server is not there, starts or recovers, until `deadline`; it may also go away between
// two steps of a start.
template <typename Attempt>
absl::Status Patiently(absl::Time deadline, Attempt attempt) {
  for (;;) {
    const absl::Status status = attempt();
    if (!absl::IsUnavailable(status)) return status;
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "waiting for the database", {{"error", status}});
    SystemClock().Sleep(kAwaitPause, {});
    if (absl::Now() >= deadline) return status;
  }
}

absl::Status CheckSchemaOnce(Pool& pool, absl::Time deadline, std::string_view schema,
                             std::span<const Migration> migrations) {
  return pool.Transact(deadline, [&](Transaction& transaction) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const Result exists, transaction.Run(kTableExists, schema));
    size_t done = 0;
    if (exists[0].Get<bool>(0)) {
      FLEETCAST_ASSIGN_OR_RETURN(const Result applied,
                                 transaction.ExecuteSql(WithSchema(kAppliedSql, schema), Params()));
      FLEETCAST_ASSIGN_OR_RETURN(done, Compare(applied, schema, migrations));
    }
    if (done < migrations.size()) {
      return SchemaError(kSchemaTooOld, schema,
                         absl::StrCat("the database is at version ", done, ", this program needs ", migrations.size(),
                                      ": run it once with --migrate"));
    }
    return absl::OkStatus();
  });
}

}  // namespace

absl::Status Migrate(Pool& pool, absl::Time deadline, std::string_view schema, std::span<const Migration> migrations) {
  return pool.Transact(deadline, [&](Transaction& transaction) -> absl::Status {
    // Others may migrate for minutes, and so may we: only the deadline counts.
    const int64_t left = std::clamp<int64_t>(absl::ToInt64Milliseconds(deadline - absl::Now()), 1, kStatementMillisMax);
    FLEETCAST_RETURN_IF_ERROR(transaction.RunScript(
        absl::StrCat("SET LOCAL statement_timeout = ", left, "; SET LOCAL lock_timeout = ", left)));
    FLEETCAST_RETURN_IF_ERROR(transaction.Run(kLock, schema).status());
    FLEETCAST_RETURN_IF_ERROR(transaction.RunScript(WithSchema(kPrepareSql, schema)));
    FLEETCAST_ASSIGN_OR_RETURN(const Result applied, transaction.ExecuteSql(WithSchema(kAppliedSql, schema), Params()));
    FLEETCAST_ASSIGN_OR_RETURN(const size_t done, Compare(applied, schema, migrations));
    for (const Migration& migration : migrations.subspan(done)) {
      FLEETCAST_RETURN_IF_ERROR(Annotate(transaction.RunScript(migration.sql), migration.name));
      FLEETCAST_RETURN_IF_ERROR(transaction
                                    .ExecuteSql(WithSchema(kInsertSql, schema),
                                                Params::Of(migration.version, migration.name, migration.sha256))
                                    .status());
      FLEETCAST_LOG(kInfo, "migrated", {{"schema", schema}, {"migration", migration.name}});
    }
    return absl::OkStatus();
  });
}

absl::Status CheckSchema(Pool& pool, absl::Time deadline, std::string_view schema,
                         std::span<const Migration> migrations) {
  return Patiently(deadline, [&] { return CheckSchemaOnce(pool, deadline, schema, migrations); });
}

absl::Status CheckServer(Pool& pool, absl::Time deadline, bool allow_unsafe) {
  absl::StatusOr<Result> answer = absl::UnknownError("not asked yet");
  const auto ask = [&] { return (answer = pool.Run(deadline, kSettings)).status(); };
  FLEETCAST_RETURN_IF_ERROR(Patiently(deadline, ask));
  const Result& settings = *answer;
  for (const char* name : {"fsync", "full_page_writes", "synchronous_commit", "primary_server"}) {
    if (settings[0].Get<bool>(name) || allow_unsafe) continue;
    return MakeError(absl::StatusCode::kFailedPrecondition, kDatabaseUnsafe,
                     absl::StrCat("the database would lose acknowledged writes: ", name, " is off"));
  }
  return absl::OkStatus();
}

absl::Status AwaitServer(Pool& pool, absl::Duration limit) {
  return Patiently(absl::Now() + limit, [&] { return pool.Run(absl::Now() + kCheckLimit, kPing).status(); });
}

absl::Status PrepareSchema(Pool& pool, std::string_view schema, std::span<const Migration> migrations,
                           const PrepareOptions& options) {
  FLEETCAST_RETURN_IF_ERROR(AwaitServer(pool));
  if (options.migrate) {
    FLEETCAST_RETURN_IF_ERROR(Migrate(pool, absl::Now() + kMigrateLimit, schema, migrations));
  }
  FLEETCAST_RETURN_IF_ERROR(CheckServer(pool, absl::Now() + kCheckLimit, options.allow_unsafe));
  return CheckSchema(pool, absl::Now() + kCheckLimit, schema, migrations);
}

}  // namespace fleetcast::postgres
