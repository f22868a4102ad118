// The errors of the job store, the same from every implementation.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace fleetcast::job_store {

absl::Status NoSuchJob(std::string_view job_id);                                    // kNotFound JOB_NOT_FOUND
absl::Status NoSuchExecution(std::string_view job_id, std::string_view device_id);  // kNotFound EXECUTION_NOT_FOUND
absl::Status JobAlreadyExists(std::string_view job_id);                             // kAlreadyExists JOB_ALREADY_EXISTS
absl::Status JobFinished(std::string_view job_id);                                  // kFailedPrecondition JOB_FINISHED
absl::Status JobRunning(std::string_view job_id);                                   // kFailedPrecondition JOB_RUNNING
absl::Status JobNotInState(std::string_view job_id);  // kFailedPrecondition JOB_NOT_IN_STATE
absl::Status JobHasChanged(std::string_view job_id);  // kAborted ETAG_MISMATCH
absl::Status LeaseLost();                             // kAborted LEASE_LOST

}  // namespace fleetcast::job_store
