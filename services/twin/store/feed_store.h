// Reading the outbox: windows between two snapshots, per consumer, under a lease.
//
// The sequence numbers of the outbox are given out before commit, so "everything after the last number" would skip late
// commits. A window holds the rows that are visible in one snapshot and were not in the one before: every commit is in
// exactly one window. The changes of one device lie in the order in which they locked its row: within a window by seq,
// and over windows because a transaction has become visible before another one gets its lock. (Numbers of transactions
// would not do: one that waits for a lock may have got its number before the one that holds it.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/postgres/pool.h"

namespace fleetcast::twin {

// What is visible in `to` and was not in `from`; both are the text of a pg_snapshot.
struct FeedWindow {
  std::string from;
  std::string to;
};

// One row of the outbox.
struct FeedRow {
  int64_t seq = 0;
  std::vector<std::string> device_ids;
  // Desired properties changed: parallel to device_ids. Empty: the records changed.
  std::vector<int64_t> desired_versions;
  std::string patch;
  bool is_disconnect = false;
};

// Thread-safe.
class FeedStore {
 public:
  explicit FeedStore(postgres::Pool& pool) : pool_(pool) {}

  // Takes or renews the right to publish to `consumer` for `lease`, as `owner`. Gives the snapshot of which it
  // has heard everything, or nullopt while somebody else has the right. A consumer that is new begins now.
  absl::StatusOr<std::optional<std::string>> Lease(absl::Time deadline, std::string_view consumer,
                                                   std::string_view owner, absl::Duration lease);

  // What is visible now.
  absl::StatusOr<std::string> Snapshot(absl::Time deadline);

  // Up to `limit` rows of `window` after `after_seq`, by seq.
  absl::StatusOr<std::vector<FeedRow>> Read(absl::Time deadline, const FeedWindow& window, int64_t after_seq,
                                            int limit);

  // The consumer has heard all that is visible in `position`. False when the lease was lost: somebody else goes on.
  absl::StatusOr<bool> Advance(absl::Time deadline, std::string_view consumer, std::string_view owner,
                               std::string_view position);

  // Removes what every consumer in `consumers` has heard, and what is older than `age` in any case; forgets consumers
  // and deleted devices that are long gone. At most some thousand rows a call. Gives how many rows of the outbox
  // went.
  absl::StatusOr<int64_t> Trim(absl::Time deadline, const std::vector<std::string>& consumers, absl::Duration age);

 private:
  postgres::Pool& pool_;
};

}  // namespace fleetcast::twin
