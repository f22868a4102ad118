#include "services/job_api/job_changes.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "services/job_api/change_validation.h"
#include "services/job_api/job_proto.h"

namespace fleetcast::job_api {

absl::Status JobChanges::Cancel(const rpc::Call& call, const jobs::v1::CancelJobRequest& request,
                                jobs::v1::CancelJobResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(job_store::StopResult result,
                             store_.CancelJob(call.deadline, {.job_id = request.job_id(),
                                                              .drain = options_.cancel_drain,
                                                              .reject_running = request.reject_running()}));
  return Answer(call, std::move(result), response.mutable_job());
}

absl::Status JobChanges::Pause(const rpc::Call& call, const jobs::v1::PauseJobRequest& request,
                               jobs::v1::PauseJobResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(job_store::StopResult result, store_.PauseJob(call.deadline, request.job_id()));
  return Answer(call, std::move(result), response.mutable_job());
}

absl::Status JobChanges::Resume(const rpc::Call& call, const jobs::v1::ResumeJobRequest& request,
                                jobs::v1::ResumeJobResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(const job_store::Job job, store_.ResumeJob(call.deadline, request.job_id()));
  ToProto(job, response.mutable_job());
  return absl::OkStatus();
}

absl::Status JobChanges::Update(const rpc::Call& call, const jobs::v1::UpdateJobRequest& request,
                                jobs::v1::UpdateJobResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(const job_store::JobChange change, ValidateUpdate(request));
  FLEETCAST_ASSIGN_OR_RETURN(job_store::StopResult result, store_.UpdateJob(call.deadline, request.job().id(), change));
  return Answer(call, std::move(result), response.mutable_job());
}

absl::Status JobChanges::Answer(const rpc::Call& call, job_store::StopResult result, jobs::v1::Job* out) {
  if (result.was_issuing) {
    // No intent can follow the commit, and every permit given before it has run out by then.
    if (!clock_.Sleep(options_.permit_lifetime, call.stop)) {
      return absl::CancelledError("the caller has gone; the change is made");
    }
    FLEETCAST_ASSIGN_OR_RETURN(result.job, store_.GetJob(call.deadline, result.job.spec.id));
  }
  ToProto(result.job, out);
  return absl::OkStatus();
}

}  // namespace fleetcast::job_api
