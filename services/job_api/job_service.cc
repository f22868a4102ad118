#include "services/job_api/job_service.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/run_on.h"
#include "services/job_api/job_proto.h"
#include "services/job_api/list_requests.h"
#include "services/job_api/watch_stream.h"

namespace fleetcast::job_api {

JobService::JobService(job_store::JobStore& store, TargetCounter& targets, WatchHub& watches, const PageTokens& tokens,
                       Clock& clock, WorkerPool& workers, WorkerPool& change_workers, JobServiceOptions options)
    : store_(store),
      watches_(watches),
      tokens_(tokens),
      workers_(workers),
      change_workers_(change_workers),
      creation_(store, targets, clock, options.creation),
      changes_(store, clock, options.change),
      executions_(store, tokens) {}

grpc::ServerUnaryReactor* JobService::CreateJob(grpc::CallbackServerContext* context,
                                                const jobs::v1::CreateJobRequest* request,
                                                jobs::v1::CreateJobResponse* response) {
  return rpc::RunOn(workers_, context,
                    [=, this](const rpc::Call& call) { return creation_.Create(call, *request, *response); });
}

grpc::ServerUnaryReactor* JobService::GetJob(grpc::CallbackServerContext* context,
                                             const jobs::v1::GetJobRequest* request,
                                             jobs::v1::GetJobResponse* response) {
  return rpc::RunOn(workers_, context, [=, this](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const job_store::Job job, store_.GetJob(call.deadline, request->job_id()));
    ToProto(job, response->mutable_job());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::ListJobs(grpc::CallbackServerContext* context,
                                               const jobs::v1::ListJobsRequest* request,
                                               jobs::v1::ListJobsResponse* response) {
  return rpc::RunOn(workers_, context, [=, this](const rpc::Call& call) { return List(call, *request, *response); });
}

absl::Status JobService::List(const rpc::Call& call, const jobs::v1::ListJobsRequest& request,
                              jobs::v1::ListJobsResponse& response) {
  const std::string kind_key = absl::StrCat(request.action_kind());
  const std::string states_key = StatesKey(request.states());
  const std::vector<std::string_view> bound = {"ListJobs", kind_key, states_key};
  job_store::ListJobsRequest list;
  FLEETCAST_ASSIGN_OR_RETURN(list.page_size, ReadPageSize(request.page_size()));
  FLEETCAST_ASSIGN_OR_RETURN(list.kind, ReadKind(request.action_kind()));
  FLEETCAST_ASSIGN_OR_RETURN(list.states, ReadStates<JobState>(request.states(), JobState::kCancelled));
  FLEETCAST_ASSIGN_OR_RETURN(list.before_seq, OpenToken(tokens_, request.page_token(), bound));
  FLEETCAST_ASSIGN_OR_RETURN(const auto page, store_.ListJobs(call.deadline, list));
  for (const job_store::Job& job : page.entries) ToProto(job, response.add_jobs());
  if (page.next.has_value()) response.set_next_page_token(tokens_.Seal(absl::StrCat(*page.next), bound));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* JobService::CancelJob(grpc::CallbackServerContext* context,
                                                const jobs::v1::CancelJobRequest* request,
                                                jobs::v1::CancelJobResponse* response) {
  return rpc::RunOn(change_workers_, context,
                    [=, this](const rpc::Call& call) { return changes_.Cancel(call, *request, *response); });
}

grpc::ServerUnaryReactor* JobService::PauseJob(grpc::CallbackServerContext* context,
                                               const jobs::v1::PauseJobRequest* request,
                                               jobs::v1::PauseJobResponse* response) {
  return rpc::RunOn(change_workers_, context,
                    [=, this](const rpc::Call& call) { return changes_.Pause(call, *request, *response); });
}

grpc::ServerUnaryReactor* JobService::ResumeJob(grpc::CallbackServerContext* context,
                                                const jobs::v1::ResumeJobRequest* request,
                                                jobs::v1::ResumeJobResponse* response) {
  return rpc::RunOn(workers_, context,
                    [=, this](const rpc::Call& call) { return changes_.Resume(call, *request, *response); });
}

grpc::ServerUnaryReactor* JobService::UpdateJob(grpc::CallbackServerContext* context,
                                                const jobs::v1::UpdateJobRequest* request,
                                                jobs::v1::UpdateJobResponse* response) {
  return rpc::RunOn(change_workers_, context,
                    [=, this](const rpc::Call& call) { return changes_.Update(call, *request, *response); });
}

grpc::ServerUnaryReactor* JobService::RetryJob(grpc::CallbackServerContext* context,
                                               const jobs::v1::RetryJobRequest* request,
                                               jobs::v1::RetryJobResponse* response) {
  return rpc::RunOn(workers_, context,
                    [=, this](const rpc::Call& call) { return creation_.Retry(call, *request, *response); });
}

grpc::ServerWriteReactor<jobs::v1::WatchJobResponse>* JobService::WatchJob(grpc::CallbackServerContext* context,
                                                                           const jobs::v1::WatchJobRequest* request) {
  return StartWatch(watches_, context, *request);
}

grpc::ServerUnaryReactor* JobService::GetExecution(grpc::CallbackServerContext* context,
                                                   const jobs::v1::GetExecutionRequest* request,
                                                   jobs::v1::GetExecutionResponse* response) {
  return rpc::RunOn(workers_, context, [=, this](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const job_store::Execution execution,
                               store_.GetExecution(call.deadline, request->job_id(), request->device_id()));
    ToProto(execution, response->mutable_execution());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::ListExecutions(grpc::CallbackServerContext* context,
                                                     const jobs::v1::ListExecutionsRequest* request,
                                                     jobs::v1::ListExecutionsResponse* response) {
  return rpc::RunOn(workers_, context,
                    [=, this](const rpc::Call& call) { return executions_.List(call, *request, *response); });
}

}  // namespace fleetcast::job_api
