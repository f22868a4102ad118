#include "services/twin/store/twin_store.h"

#include <vector>

#include "libs/base/status_macros.h"
#include "services/twin/store/identity_sql.h"
#include "services/twin/store/identity_writer.h"
#include "services/twin/store/transact_once.h"
#include "services/twin/store/twin_rows.h"
#include "services/twin/store/twin_writer.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Transaction;

// The twin of a device or of a module, as it is now.
absl::StatusOr<TwinRow> Read(const Identity& identity, const Result& rows) {
  if (rows.empty()) return IdentityNotFound(identity);
  TwinRow twin = ReadTwin(rows[0]);
  twin.module_id = identity.module_id;
  return twin;
}

const IdentitySql& SqlOf(const Identity& identity) { return identity.module_id.empty() ? DeviceSql() : ModuleSql(); }

}  // namespace

absl::StatusOr<TwinRow> TwinStore::Get(absl::Time deadline, const Identity& identity) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows,
                             pool_.Run(deadline, SqlOf(identity).get_twin, identity.device_id, identity.module_id));
  return Read(identity, rows);
}

absl::StatusOr<TwinRow> TwinStore::Edit(absl::Time deadline, const Identity& identity, const TwinEdit& edit,
                                        const EtagCondition& condition) {
  // No id holds a slash: with one in it, a device's name would be that of a module.
  if (identity.device_id.find('/') != std::string::npos) return IdentityNotFound(identity);
  const std::vector<NamedEdit> edits = {{identity.ToString(), &edit, condition, nullptr}};
  return TransactOnce(pool_, deadline, [&](Transaction& transaction) -> absl::StatusOr<TwinRow> {
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<absl::Status> statuses, EditTwins(transaction, edits));
    FLEETCAST_RETURN_IF_ERROR(statuses[0]);
    FLEETCAST_ASSIGN_OR_RETURN(const Result rows,
                               transaction.Run(SqlOf(identity).get_twin, identity.device_id, identity.module_id));
    return Read(identity, rows);
  });
}

}  // namespace fleetcast::twin
