// UpdateJobRequest and RetryJobRequest become what the store takes, or an error that names every wrong field. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/job_store/job_store.h"

namespace fleetcast::job_api {

// What `request` changes. INVALID_ARGUMENT: INVALID_VALUE for a mask that is empty or names anything but `rollout` and
// `priority`, and for the priority; INVALID_ROLLOUT. An etag that cannot be ours becomes a version that no job has.
absl::StatusOr<job_store::JobChange> ValidateUpdate(const jobs::v1::UpdateJobRequest& request);

// Which targets `request` wants again. INVALID_ARGUMENT: INVALID_JOB_ID for the new id, INVALID_VALUE for a state that
// is not terminal and for the request id.
absl::StatusOr<job_store::RetriedTargets> ValidateRetryJob(const jobs::v1::RetryJobRequest& request);

}  // namespace fleetcast::job_api
