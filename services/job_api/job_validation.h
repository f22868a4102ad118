// A CreateJobRequest becomes a JobSpec, or an error that names every wrong field. Pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/job_store/job.h"
#include "services/job_api/violations.h"

namespace fleetcast::job_api {

// Bounds of a job (service-rest.md 5 and 10).
inline constexpr size_t kConditionBytesMax = size_t{1024} * 1024;
inline constexpr size_t kPayloadBytesMax = size_t{128} * 1024;
inline constexpr size_t kStatusMessageBytesMax = 1024;
inline constexpr size_t kRequestIdBytesMax = 64;
inline constexpr absl::Duration kResponseTimeoutDefault = absl::Seconds(30);
inline constexpr absl::Duration kResponseTimeoutMin = absl::Seconds(5);
inline constexpr absl::Duration kResponseTimeoutMax = absl::Seconds(300);
inline constexpr absl::Duration kConnectTimeoutMax = absl::Seconds(300);
inline constexpr absl::Duration kExecutionTimeoutDefault = absl::Hours(1);
inline constexpr absl::Duration kExecutionTimeoutMin = absl::Seconds(1);
inline constexpr absl::Duration kExecutionTimeoutMax = absl::Hours(24 * 7);

// The spec that `request` describes, defaults filled in. `now` and `start_horizon` bound the start time.
// INVALID_ARGUMENT with field violations and the reason of the first rule that is broken: INVALID_JOB_ID,
// INVALID_ACTION, INVALID_METHOD, INVALID_PAYLOAD, INVALID_TWIN, INVALID_TIMEOUT, INVALID_CONDITION,
// INVALID_START_TIME, INVALID_ROLLOUT, INVALID_RETRY, INVALID_VALUE.
absl::StatusOr<job_store::JobSpec> ValidateCreate(const jobs::v1::CreateJobRequest& request, absl::Time now,
                                                  absl::Duration start_horizon);

// The parts that UpdateJob reads as well. Each notes in `violations` what is wrong, with the path from the request on.
RolloutPolicy ReadRollout(const jobs::v1::RolloutPolicy& message, Violations& violations);
int ReadPriority(int32_t priority, Violations& violations);
void CheckRequestId(const std::string& request_id, Violations& violations);

}  // namespace fleetcast::job_api
