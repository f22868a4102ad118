// Versioned schemas: plain SQL files, embedded by fleetcast_embed_sql (cmake/EmbedSql.cmake), run in order, once.
//
// Rules for a migration: it runs in one transaction; it never changes once released; it expands (new columns, tables,
// indexes) so that the version before keeps working, and a later one contracts.
#pragma once

#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/postgres/pool.h"

namespace fleetcast::postgres {

// One file, for instance schema/0001_jobs.sql.
struct Migration {
  int version;            // 1, 2, 3 … without gaps.
  std::string_view name;  // The file's name.
  std::string_view sql;
  std::string_view sha256;  // Of the file, in lower-case hex.
};

// Brings `schema` to the newest of `migrations`; creates it if needed. Processes that do so at once wait for each
// other. kFailedPrecondition SCHEMA_CHANGED (a migration that ran differs from ours) or SCHEMA_TOO_NEW; nothing is
// changed then.
absl::Status Migrate(Pool& pool, absl::Time deadline, std::string_view schema, std::span<const Migration> migrations);

// The checks below wait for a server that is away, until their deadline.
// OK when `schema` is exactly what `migrations` say. kFailedPrecondition SCHEMA_TOO_OLD (run --migrate), SCHEMA_TOO_NEW
// (this program is older than the database) or SCHEMA_CHANGED.
absl::Status CheckSchema(Pool& pool, absl::Time deadline, std::string_view schema,
                         std::span<const Migration> migrations);

// OK when the server keeps what it acknowledges: fsync, full_page_writes and synchronous_commit on, not in recovery.
// kFailedPrecondition DATABASE_UNSAFE names the setting. `allow_unsafe` lets tests and benchmarks with fsync off pass.
absl::Status CheckServer(Pool& pool, absl::Time deadline, bool allow_unsafe = false);

// How long a service that starts waits for its database.
inline constexpr absl::Duration kAwaitServer = absl::Seconds(60);

// Waits for a server that is not there yet, or starts or recovers: whatever is started together may come up in any
// order. The last error when it has not come within `limit`; other errors than kUnavailable at once.
absl::Status AwaitServer(Pool& pool, absl::Duration limit = kAwaitServer);

struct PrepareOptions {
  bool migrate = false;       // Bring the schema up to date first (--migrate, --migrate-on-start).
  bool allow_unsafe = false;  // As for CheckServer.
};

// What a service does with its schema before it serves: AwaitServer, Migrate if told to, CheckServer, CheckSchema.
// Waits for slow migrations as long as they take, up to ten minutes.
absl::Status PrepareSchema(Pool& pool, std::string_view schema, std::span<const Migration> migrations,
                           const PrepareOptions& options);

}  // namespace fleetcast::postgres
