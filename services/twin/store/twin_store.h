// Single twins in PostgreSQL, for service clients.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/model/etag.h"
#include "libs/model/ids.h"
#include "libs/postgres/pool.h"
#include "services/twin/twin_document.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {

// Thread-safe. Writers of one twin wait for each other on its row, so no update is lost.
class TwinStore {
 public:
  explicit TwinStore(postgres::Pool& pool) : pool_(pool) {}

  // The twin of a device or a module. NOT_FOUND (DEVICE_NOT_FOUND, MODULE_NOT_FOUND).
  absl::StatusOr<TwinRow> Get(absl::Time deadline, const Identity& identity);
  absl::StatusOr<TwinRow> Get(absl::Time deadline, std::string_view device_id) {
    return Get(deadline, Identity{std::string(device_id), ""});
  }

  // Applies `edit` if the twin's etag meets `condition` and gives the new twin. NOT_FOUND, ABORTED (ETAG_MISMATCH),
  // INVALID_ARGUMENT (INVALID_TWIN: a limit of the merged document).
  absl::StatusOr<TwinRow> Edit(absl::Time deadline, const Identity& identity, const TwinEdit& edit,
                               const EtagCondition& condition);
  absl::StatusOr<TwinRow> Edit(absl::Time deadline, std::string_view device_id, const TwinEdit& edit,
                               const EtagCondition& condition) {
    return Edit(deadline, Identity{std::string(device_id), ""}, edit, condition);
  }

 private:
  postgres::Pool& pool_;
};

}  // namespace fleetcast::twin
