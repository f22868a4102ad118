// Columns of jobs.job that hold the rollout, the retries and whose targets a job repeats. Internal to this folder.
#pragma once

#include <optional>

#include "libs/job_store/job.h"
#include "libs/postgres/result.h"
#include "libs/postgres/statement.h"

// Columns of jobs.job `j` that the readers below need.
#define FLEETCAST_POLICY_COLUMNS                                                                   \
  "j.maximum_per_minute, j.ramp_base_per_minute, j.ramp_factor, j.ramp_notified_step, "            \
  "j.ramp_succeeded_step, j.in_flight_max, j.abort_types, j.abort_percentages, j.abort_minimums, " \
  "j.retry_idempotent, j.retry_types, j.retry_numbers, j.backoff_min_us, j.backoff_max_us, " FLEETCAST_RETRIED_COLUMNS
#define FLEETCAST_RETRIED_COLUMNS "j.retried_job_id, j.retried_states, j.retried_device_errors "

namespace fleetcast::job_store {

// Adds the values of limited, maximum_per_minute, ramp_base_per_minute, ramp_factor, ramp_notified_step,
// ramp_succeeded_step, in_flight_max, abort_types, abort_percentages, abort_minimums.
void AddRollout(postgres::Params& params, const RolloutPolicy& policy);

// Adds the values of retry_idempotent, retry_types, retry_numbers, backoff_min_us, backoff_max_us.
void AddRetry(postgres::Params& params, const RetryPolicy& policy);

// Adds the values of retried_job_id, retried_states, retried_device_errors.
void AddRetried(postgres::Params& params, const std::optional<RetriedTargets>& retried);

RolloutPolicy ReadRollout(const postgres::Row& row);
RetryPolicy ReadRetry(const postgres::Row& row);
std::optional<RetriedTargets> ReadRetried(const postgres::Row& row);

}  // namespace fleetcast::job_store
