// Reading the outbox: windows of finished transactions, per consumer, under a lease.
//
// The sequence numbers of the outbox are given out before commit, so "everything after the last number" would skip late
// commits. A window holds the rows of the transactions from `low` to below `high`, where `high` is the oldest running
// transaction: nothing can be added to it any more. Sorted by seq, a window has the changes of one device in the order
// in which they locked its row; two windows follow each other in that order too, because a transaction that waited for
// another one's lock is still running when that one ends.
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

// Transactions [low, high).
struct FeedWindow {
  uint64_t low = 0;
  uint64_t high = 0;
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

  // Takes or renews the right to publish to `consumer` for `lease`, as `owner`. Gives the transaction up to which it
  // has heard everything, or nullopt while somebody else has the right. A consumer that is new begins now.
  absl::StatusOr<std::optional<uint64_t>> Lease(absl::Time deadline, std::string_view consumer, std::string_view owner,
                                                absl::Duration lease);

  // The oldest running transaction: all below it have ended.
  absl::StatusOr<uint64_t> Horizon(absl::Time deadline);

  // Up to `limit` rows of `window` after `after_seq`, by seq.
  absl::StatusOr<std::vector<FeedRow>> Read(absl::Time deadline, const FeedWindow& window, int64_t after_seq,
                                            int limit);

  // The consumer has heard all below `position`. False when the lease was lost: somebody else goes on.
  absl::StatusOr<bool> Advance(absl::Time deadline, std::string_view consumer, std::string_view owner,
                               uint64_t position);

  // Removes what every consumer in `consumers` has heard, and what is older than `age` in any case; forgets consumers
  // and deleted devices that are long gone. At most some thousand rows a call. Gives how many rows of the outbox
  // went.
  absl::StatusOr<int64_t> Trim(absl::Time deadline, const std::vector<std::string>& consumers, absl::Duration age);

 private:
  postgres::Pool& pool_;
};

}  // namespace fleetcast::twin
