#include "services/job_api/change_validation.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/model/ids.h"
#include "libs/model/reasons.h"
#include "services/job_api/job_validation.h"

namespace fleetcast::job_api {
namespace {

// Versions are never negative, so a job with this one does not exist.
constexpr int64_t kNoVersion = -1;

int64_t VersionOf(const std::string& etag) {
  int64_t version = 0;
  return absl::SimpleAtoi(etag, &version) && version >= 0 ? version : kNoVersion;
}

}  // namespace

absl::StatusOr<job_store::JobChange> ValidateUpdate(const jobs::v1::UpdateJobRequest& request) {
  const jobs::v1::Job& job = request.job();
  Violations violations;
  job_store::JobChange change;
  if (request.update_mask().paths().empty()) {
    violations.Add(reasons::kInvalidValue, "update_mask", "is required: rollout, priority, or both");
  }
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "rollout") {
      change.rollout.emplace();
    } else if (path == "priority") {
      change.priority.emplace();
    } else {
      violations.Add(reasons::kInvalidValue, "update_mask",
                     absl::StrCat("names ", path.substr(0, 64), "; rollout and priority can be changed"));
      break;  // A long list of them would say no more.
    }
  }
  if (change.rollout.has_value()) change.rollout = ReadRollout(job.rollout(), violations);
  if (change.priority.has_value()) change.priority = ReadPriority(job.priority(), violations);
  if (!job.etag().empty()) change.if_version = VersionOf(job.etag());
  FLEETCAST_RETURN_IF_ERROR(std::move(violations).ToStatus());
  return change;
}

absl::StatusOr<job_store::RetriedTargets> ValidateRetryJob(const jobs::v1::RetryJobRequest& request) {
  Violations violations;
  job_store::RetriedTargets retried;
  retried.job_id = request.job_id();
  retried.device_errors = request.device_errors();
  violations.AddIfBad(reasons::kInvalidJobId, "new_job_id", ValidateJobId(request.new_job_id()));
  for (const int number : request.states()) {
    const auto state = static_cast<ExecutionState>(number);
    if (number < static_cast<int>(ExecutionState::kSucceeded) || number > static_cast<int>(ExecutionState::kCanceled)) {
      violations.Add(reasons::kInvalidValue, "states",
                     "names one that is not SUCCEEDED, FAILED, TIMED_OUT or CANCELED");
      break;
    }
    retried.states.insert(state);
  }
  if (request.states().empty()) {
    retried.states = {ExecutionState::kFailed, ExecutionState::kTimedOut, ExecutionState::kCanceled};
  }
  CheckRequestId(request.request_id(), violations);
  FLEETCAST_RETURN_IF_ERROR(std::move(violations).ToStatus());
  return retried;
}

}  // namespace fleetcast::job_api
