// Merges that the database does alone: the fast way of the same writes as EditTwins.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "libs/model/etag.h"
#include "libs/postgres/transaction.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {

// Thread-safe.
class MergeWriter {
 public:
  MergeWriter();

  // Applies `edit` at `now` to those of `device_ids` (ascending, unique) whose twins match `condition` and keep their
  // limits for sure, and tells the outbox. Gives the others, ascending: EditTwins has to decide about each of them.
  // When the edit cannot be written in SQL these are all.
  //
  // Precondition: PlanByKey ran in this transaction.
  absl::StatusOr<std::vector<std::string>> Merge(postgres::Transaction& transaction,
                                                 const std::vector<std::string>& device_ids, const TwinEdit& edit,
                                                 const EtagCondition& condition, absl::Time now);

  // Makes the statements of this transaction find twins through their key: then rows are locked in order of ids, as
  // every writer locks them. Gives the database's time.
  static absl::StatusOr<absl::Time> PlanByKey(postgres::Transaction& transaction);

 private:
  // The name under which `sql` is prepared; empty when too many are already.
  std::string NameOf(const std::string& sql) EXCLUDES(mutex_);

  const int instance_;  // Part of the names: sessions may be shared with another writer.
  std::atomic<int64_t> usual_version_ = 1;
  Mutex mutex_;
  absl::flat_hash_map<std::string, std::string> names_ GUARDED_BY(mutex_);
};

}  // namespace fleetcast::twin
