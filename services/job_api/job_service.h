// jobs.v1.JobService: parse, validate, ask the store, convert.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "fleetcast/jobs/v1/job.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/worker_pool.h"
#include "libs/job_store/job_store.h"
#include "libs/model/page_token.h"
#include "libs/rpc/call.h"
#include "services/job_api/target_counter.h"
#include "services/job_api/watch_hub.h"

namespace fleetcast::job_api {

// Reads one job for its watchers. `store` must outlive it.
WatchHub::ReadJob NewJobReader(job_store::JobStore& store);

struct JobServiceOptions {
  absl::Duration start_horizon;
  absl::Duration permit_lifetime;
  absl::Duration cancel_drain;
  int64_t active_jobs_max;
};

// Thread-safe. Handlers that use the database run on `workers`; Cancel, which also waits for permits, on
// `cancel_workers`.
// Everything passed by reference must outlive the service.
class JobService final : public jobs::v1::JobService::CallbackService {
 public:
  JobService(job_store::JobStore& store, TargetCounter& targets, WatchHub& watches, const PageTokens& tokens,
             Clock& clock, WorkerPool& workers, WorkerPool& cancel_workers, JobServiceOptions options);

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context, const jobs::v1::CreateJobRequest* request,
                                      jobs::v1::CreateJobResponse* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const jobs::v1::GetJobRequest* request,
                                   jobs::v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const jobs::v1::ListJobsRequest* request,
                                     jobs::v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context, const jobs::v1::CancelJobRequest* request,
                                      jobs::v1::CancelJobResponse* response) override;
  grpc::ServerWriteReactor<jobs::v1::WatchJobResponse>* WatchJob(grpc::CallbackServerContext* context,
                                                                 const jobs::v1::WatchJobRequest* request) override;
  grpc::ServerUnaryReactor* GetExecution(grpc::CallbackServerContext* context,
                                         const jobs::v1::GetExecutionRequest* request,
                                         jobs::v1::GetExecutionResponse* response) override;
  grpc::ServerUnaryReactor* ListExecutions(grpc::CallbackServerContext* context,
                                           const jobs::v1::ListExecutionsRequest* request,
                                           jobs::v1::ListExecutionsResponse* response) override;

 private:
  absl::Status Create(const rpc::Call& call, const jobs::v1::CreateJobRequest& request,
                      jobs::v1::CreateJobResponse& response);
  absl::Status DryRun(const rpc::Call& call, const job_store::JobSpec& spec, jobs::v1::CreateJobResponse& response);
  absl::Status List(const rpc::Call& call, const jobs::v1::ListJobsRequest& request,
                    jobs::v1::ListJobsResponse& response);
  absl::Status Cancel(const rpc::Call& call, const jobs::v1::CancelJobRequest& request,
                      jobs::v1::CancelJobResponse& response);
  absl::Status ListOfJob(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                         jobs::v1::ListExecutionsResponse& response);
  absl::Status ListOfDevice(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                            jobs::v1::ListExecutionsResponse& response);
  absl::Status ListOne(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                       jobs::v1::ListExecutionsResponse& response);

  job_store::JobStore& store_;
  TargetCounter& targets_;
  WatchHub& watches_;
  const PageTokens& tokens_;
  Clock& clock_;
  WorkerPool& workers_;
  WorkerPool& cancel_workers_;
  const JobServiceOptions options_;
};

}  // namespace fleetcast::job_api
