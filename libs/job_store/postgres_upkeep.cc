// Upkeep of the tables.
#include "libs/job_store/postgres_job_store.h"

namespace fleetcast::job_store {

// TODO(#3): partitions and retention.
absl::StatusOr<MaintainResult> PostgresJobStore::Maintain(absl::Time, const MaintainRequest&) {
  return absl::UnimplementedError("maintain");
}

}  // namespace fleetcast::job_store
