// jobs.v1.JobService: which RPC is done where, and on which threads.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "fleetcast/jobs/v1/job.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/worker_pool.h"
#include "libs/job_store/job_store.h"
#include "libs/model/page_token.h"
#include "libs/rpc/call.h"
#include "services/job_api/execution_lists.h"
#include "services/job_api/job_changes.h"
#include "services/job_api/job_creation.h"
#include "services/job_api/target_counter.h"
#include "services/job_api/watch_hub.h"

namespace fleetcast::job_api {

struct JobServiceOptions {
  JobCreationOptions creation;
  JobChangeOptions change;
};

// Thread-safe. Handlers that use the database run on `workers`; those that also wait for permits (Cancel, Pause,
// Update) on `change_workers`.
// Everything passed by reference must outlive the service.
class JobService final : public jobs::v1::JobService::CallbackService {
 public:
  JobService(job_store::JobStore& store, TargetCounter& targets, WatchHub& watches, const PageTokens& tokens,
             Clock& clock, WorkerPool& workers, WorkerPool& change_workers, JobServiceOptions options);

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context, const jobs::v1::CreateJobRequest* request,
                                      jobs::v1::CreateJobResponse* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const jobs::v1::GetJobRequest* request,
                                   jobs::v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const jobs::v1::ListJobsRequest* request,
                                     jobs::v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context, const jobs::v1::CancelJobRequest* request,
                                      jobs::v1::CancelJobResponse* response) override;
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext* context, const jobs::v1::PauseJobRequest* request,
                                     jobs::v1::PauseJobResponse* response) override;
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* context, const jobs::v1::ResumeJobRequest* request,
                                      jobs::v1::ResumeJobResponse* response) override;
  grpc::ServerUnaryReactor* UpdateJob(grpc::CallbackServerContext* context, const jobs::v1::UpdateJobRequest* request,
                                      jobs::v1::UpdateJobResponse* response) override;
  grpc::ServerUnaryReactor* RetryJob(grpc::CallbackServerContext* context, const jobs::v1::RetryJobRequest* request,
                                     jobs::v1::RetryJobResponse* response) override;
  grpc::ServerWriteReactor<jobs::v1::WatchJobResponse>* WatchJob(grpc::CallbackServerContext* context,
                                                                 const jobs::v1::WatchJobRequest* request) override;
  grpc::ServerUnaryReactor* GetExecution(grpc::CallbackServerContext* context,
                                         const jobs::v1::GetExecutionRequest* request,
                                         jobs::v1::GetExecutionResponse* response) override;
  grpc::ServerUnaryReactor* ListExecutions(grpc::CallbackServerContext* context,
                                           const jobs::v1::ListExecutionsRequest* request,
                                           jobs::v1::ListExecutionsResponse* response) override;

 private:
  absl::Status List(const rpc::Call& call, const jobs::v1::ListJobsRequest& request,
                    jobs::v1::ListJobsResponse& response);

  job_store::JobStore& store_;
  WatchHub& watches_;
  const PageTokens& tokens_;
  WorkerPool& workers_;
  WorkerPool& change_workers_;
  JobCreation creation_;
  JobChanges changes_;
  ExecutionLists executions_;
};

}  // namespace fleetcast::job_api
