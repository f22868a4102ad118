#include "services/job_api/job_creation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"
#include "services/job_api/change_validation.h"
#include "services/job_api/job_proto.h"
#include "services/job_api/job_validation.h"
#include "services/job_api/request_hash.h"

namespace fleetcast::job_api {
namespace {

constexpr int kDryRunSample = 10;

// The job that does again what `ended` did, over those of its targets.
job_store::JobSpec SpecOfRetry(const job_store::Job& ended, const std::string& id, job_store::RetriedTargets retried) {
  job_store::JobSpec spec = ended.spec;
  spec.id = id;
  spec.start_time.reset();
  spec.status_message.clear();
  spec.retried = std::move(retried);
  return spec;
}

}  // namespace

absl::Status JobCreation::Create(const rpc::Call& call, const jobs::v1::CreateJobRequest& request,
                                 jobs::v1::CreateJobResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(job_store::JobSpec spec, ValidateCreate(request, clock_.Now(), options_.start_horizon));
  if (request.validate_only()) return DryRun(call, spec, response);
  FLEETCAST_ASSIGN_OR_RETURN(const job_store::Job job, Store(call, std::move(spec), request.request_id()));
  ToProto(job, response.mutable_job());
  return absl::OkStatus();
}

absl::Status JobCreation::Retry(const rpc::Call& call, const jobs::v1::RetryJobRequest& request,
                                jobs::v1::RetryJobResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(job_store::RetriedTargets retried, ValidateRetryJob(request));
  FLEETCAST_ASSIGN_OR_RETURN(const job_store::Job ended, store_.GetJob(call.deadline, request.job_id()));
  if (!IsTerminal(ended.state)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, reasons::kJobNotInState,
                     absl::StrCat("job ", request.job_id(), " is ", Absl(JobStateName(ended.state)),
                                  "; only one that has ended can be retried"));
  }
  FLEETCAST_ASSIGN_OR_RETURN(
      const job_store::Job job,
      Store(call, SpecOfRetry(ended, request.new_job_id(), std::move(retried)), request.request_id()));
  ToProto(job, response.mutable_job());
  return absl::OkStatus();
}

absl::StatusOr<job_store::Job> JobCreation::Store(const rpc::Call& call, job_store::JobSpec spec,
                                                  const std::string& request_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const int64_t active, store_.CountActive(call.deadline));
  // A repeat is answered at the limit too: perhaps its first answer was lost.
  const bool is_full = active >= options_.active_jobs_max;
  const std::string hash = RequestHash(spec);
  absl::StatusOr<job_store::CreateResult> result = store_.CreateJob(
      call.deadline, {.spec = std::move(spec), .request_hash = hash, .request_id = request_id, .only_repeat = is_full});
  if (is_full && absl::IsNotFound(result.status())) {
    return MakeError(absl::StatusCode::kResourceExhausted, reasons::kTooManyActiveJobs,
                     absl::StrCat("there are ", active, " unfinished jobs already"));
  }
  if (!result.ok()) return result.status();
  return std::move(result->job);
}

absl::Status JobCreation::DryRun(const rpc::Call& call, const job_store::JobSpec& spec,
                                 jobs::v1::CreateJobResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(Matches matches, targets_.Count(call, spec.condition, kDryRunSample));
  job_store::Job job;
  job.spec = spec;
  job.create_time = clock_.Now();
  ToProto(job, response.mutable_job());
  response.mutable_job()->set_state(jobs::v1::Job::STATE_UNSPECIFIED);  // Nothing was stored.
  response.set_matching_devices(matches.count);
  response.set_connected_devices(matches.connected);
  for (std::string& id : matches.sample) response.add_sample_device_ids(std::move(id));
  return absl::OkStatus();
}

}  // namespace fleetcast::job_api
