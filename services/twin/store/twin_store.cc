#include "services/twin/store/twin_store.h"

#include <string>
#include <vector>

#include "libs/base/status_macros.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/transact_once.h"
#include "services/twin/store/twin_rows.h"
#include "services/twin/store/twin_writer.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Statement;
using postgres::Transaction;

constexpr Statement kGet{"twin_get", "SELECT " FLEETCAST_TWIN_COLUMNS
                                     " FROM twin.twin AS t JOIN twin.device AS d USING (device_id) "
                                     "WHERE t.device_id = $1"};

}  // namespace

absl::StatusOr<TwinRow> TwinStore::Get(absl::Time deadline, std::string_view device_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kGet, device_id));
  if (rows.empty()) return DeviceNotFound(device_id);
  return ReadTwin(rows[0]);
}

absl::StatusOr<TwinRow> TwinStore::Edit(absl::Time deadline, std::string_view device_id, const TwinEdit& edit,
                                        const EtagCondition& condition) {
  const std::vector<std::string> ids = {std::string(device_id)};
  return TransactOnce(pool_, deadline, [&](Transaction& transaction) -> absl::StatusOr<TwinRow> {
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<absl::Status> statuses, EditTwins(transaction, ids, edit, condition));
    FLEETCAST_RETURN_IF_ERROR(statuses[0]);
    FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kGet, device_id));
    if (rows.empty()) return DeviceNotFound(device_id);
    return ReadTwin(rows[0]);
  });
}

}  // namespace fleetcast::twin
