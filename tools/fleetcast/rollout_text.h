// Pace, safety and retries of a job as what this tool prints. Pure.
#pragma once

#include <string>

#include "fleetcast/jobs/v1/rollout.pb.h"
#include "libs/json/json.h"

namespace fleetcast::cli {

// "timed_out" for FAILURE_TYPE_TIMED_OUT.
std::string FailureTypeName(jobs::v1::FailureType type);

// "ramp 50/min x 2 every 1,000 notified, at most 600/min, 200 in flight"; empty without limits.
std::string PaceText(const jobs::v1::RolloutPolicy& policy);
// "5% failed of at least 100, 10% all"; empty without criteria.
std::string AbortText(const jobs::v1::RolloutPolicy& policy);
// "timed_out 2, not_online 3 (pauses of 1s to 5m)"; empty when nothing is tried again.
std::string RetryText(const jobs::v1::RetryPolicy& policy);

json::Value RolloutJson(const jobs::v1::RolloutPolicy& policy);
json::Value RetryJson(const jobs::v1::RetryPolicy& policy);

}  // namespace fleetcast::cli
