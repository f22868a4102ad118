// Reported patches of devices, in batches, fenced by the session that sent them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/json/json.h"
#include "libs/postgres/pool.h"

namespace fleetcast::twin {

struct ReportedPatch {
  std::string device_id;  // The text of an Identity: a device, or "device/module".
  int64_t session_epoch = 0;
  json::Value patch;       // Checked (json::ParseSection).
  int64_t if_version = 0;  // The reported version that must still be current; 0 = any.
};

// One result: the new reported version, or NOT_FOUND (DEVICE_NOT_FOUND, MODULE_NOT_FOUND), FAILED_PRECONDITION
// (STALE_SESSION), ABORTED (VERSION_MISMATCH), INVALID_ARGUMENT (INVALID_TWIN).
using ReportedResult = absl::StatusOr<int64_t>;

inline constexpr size_t kReportedPerBatchMax = 1000;

// Thread-safe.
class ReportedStore {
 public:
  explicit ReportedStore(postgres::Pool& pool) : pool_(pool) {}

  // Applies the patches (at most kReportedPerBatchMax) in one transaction; several of one device in their order. The
  // results are parallel to `patches`.
  absl::StatusOr<std::vector<ReportedResult>> Apply(absl::Time deadline, const std::vector<ReportedPatch>& patches);

 private:
  postgres::Pool& pool_;
};

}  // namespace fleetcast::twin
