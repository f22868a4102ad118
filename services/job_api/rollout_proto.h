// Pace, safety and retries between the messages of jobs.v1 and the values of libs/model. Pure. Nothing is validated
// here: what is out of bounds stays so, or becomes 0, which no rule accepts.
#pragma once

#include "fleetcast/jobs/v1/rollout.pb.h"
#include "libs/model/rollout.h"

namespace fleetcast::job_api {

// Fields that are unset get their defaults.
RolloutPolicy FromProto(const jobs::v1::RolloutPolicy& message);
RetryPolicy FromProto(const jobs::v1::RetryPolicy& message);

void ToProto(const RolloutPolicy& policy, jobs::v1::RolloutPolicy* out);
void ToProto(const RetryPolicy& policy, jobs::v1::RetryPolicy* out);

}  // namespace fleetcast::job_api
