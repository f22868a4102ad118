// Per-device job records between the wire (service-rest.md 6) and jobs.v1. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/query/query.h"

namespace fleetcast::rest_gateway {

// One row of `devices.jobs`.
std::string PrintExecution(const jobs::v1::Execution& execution);

// What a query over `devices.jobs` reads.
struct ExecutionQuery {
  jobs::v1::ListExecutionsRequest request;  // Without page.
  std::optional<query::Expr> residual;      // To be tested on each row; empty = nothing left.
  std::optional<int64_t> top;
  bool is_empty = false;  // No row can fit.
};

// Plans `query`, which selects from devices.jobs. ARGUMENT_INVALID for a projection or an aggregate, for more than
// kPageSizeMax rows of TOP, and for a condition that fixes neither the job nor the device.
absl::StatusOr<ExecutionQuery> PlanExecutionQuery(const query::Query& query);

}  // namespace fleetcast::rest_gateway
