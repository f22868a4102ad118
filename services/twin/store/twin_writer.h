// One edit on many twins within one transaction: the way every write of the service side goes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/model/etag.h"
#include "libs/postgres/transaction.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {

inline constexpr size_t kTwinsPerTransactionMax = 1000;

// Locks the twins of `device_ids` (ascending, unique, at most kTwinsPerTransactionMax) in their order, applies `edit`
// where `condition` matches, and appends what devices must hear to the outbox. Gives one status per device: OK,
// NOT_FOUND, ABORTED (ETAG_MISMATCH) or INVALID_ARGUMENT (a limit of the merged document); one device's failure does
// not touch the others. The outer status is that of the database.
absl::StatusOr<std::vector<absl::Status>> EditTwins(postgres::Transaction& transaction,
                                                    const std::vector<std::string>& device_ids, const TwinEdit& edit,
                                                    const EtagCondition& condition);

// One edit of its own for each twin, of devices or of modules.
struct NamedEdit {
  std::string name;  // Text of an Identity.
  const TwinEdit* edit = nullptr;
  EtagCondition condition;
  bool* is_changed = nullptr;  // Set to whether it wrote something, unless null.
};

// As above; `edits` ascend by name, all of them devices or all of them modules.
absl::StatusOr<std::vector<absl::Status>> EditTwins(postgres::Transaction& transaction,
                                                    const std::vector<NamedEdit>& edits);

}  // namespace fleetcast::twin
