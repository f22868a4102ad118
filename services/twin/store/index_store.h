// Expression indexes for paths that queries test often, on twin.twin. Which there are is a matter of configuration,
// not of the schema: each path has one index of its texts and one of its numbers, named after what they hold.
#pragma once

#include <atomic>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/postgres/pool.h"
#include "libs/query/query.h"

namespace fleetcast::twin {

// Most paths that may be declared: each makes every write of its section dearer (docs/query-language.md).
inline constexpr size_t kQueryIndexesMax = 16;

// Paths of tags, desired and reported properties as an operator writes them, for instance reported.firmware.version
// (with or without `properties.`). INVALID_ARGUMENT for anything else.
absl::StatusOr<std::vector<query::Path>> ParseIndexPaths(const std::vector<std::string>& texts);

struct QueryIndex {
  std::string name;  // The same for the same path in all versions that compile it alike.
  std::string path;  // For people.
  std::string sql;   // CREATE INDEX CONCURRENTLY …
};

// The indexes that `paths` want.
std::vector<QueryIndex> QueryIndexesOf(const std::vector<query::Path>& paths);

// One user at a time, but for Cancel.
class IndexStore {
 public:
  // `pool` has one session, which holds the lock, and patience: builds wait for transactions. `control` is any other
  // pool.
  IndexStore(postgres::Pool& pool, postgres::Pool& control) : pool_(pool), control_(control) {}

  // True when this process is now the one that may change indexes; held until Unlock or the end of the session. Never
  // waits in the database: a waiting statement would itself hold up a build.
  absl::StatusOr<bool> TryLock();
  absl::Status Unlock();

  // Drops what `wanted` does not have and what a build left unfinished, and builds what is missing, while twins are
  // read and written. Returns how many indexes it built; kCancelled after Cancel or `stop`. Precondition: the lock.
  absl::StatusOr<int> Reconcile(const std::vector<QueryIndex>& wanted, std::stop_token stop);

  // Ends a statement of Reconcile that runs now, if any. Thread-safe.
  void Cancel();

 private:
  absl::Status Run(std::string_view sql, std::stop_token stop);

  postgres::Pool& pool_;
  postgres::Pool& control_;
  std::atomic<int> backend_{0};  // The process of the session that holds the lock; 0 = none.
};

}  // namespace fleetcast::twin
