// How jobs come to be: CreateJob with its dry run, and RetryJob.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/base/clock.h"
#include "libs/job_store/job_store.h"
#include "libs/rpc/call.h"
#include "services/job_api/target_counter.h"

namespace fleetcast::job_api {

struct JobCreationOptions {
  absl::Duration start_horizon;  // How far ahead a start time may lie.
  int64_t active_jobs_max = 0;   // Jobs that have not ended; more are refused.
};

// Thread-safe; the functions block on the database. Everything passed by reference must outlive it. Errors are those of
// the RPCs (proto/fleetcast/jobs/v1/job.proto).
class JobCreation {
 public:
  JobCreation(job_store::JobStore& store, TargetCounter& targets, Clock& clock, JobCreationOptions options)
      : store_(store), targets_(targets), clock_(clock), options_(options) {}

  absl::Status Create(const rpc::Call& call, const jobs::v1::CreateJobRequest& request,
                      jobs::v1::CreateJobResponse& response);
  absl::Status Retry(const rpc::Call& call, const jobs::v1::RetryJobRequest& request,
                     jobs::v1::RetryJobResponse& response);

 private:
  absl::Status DryRun(const rpc::Call& call, const job_store::JobSpec& spec, jobs::v1::CreateJobResponse& response);
  absl::StatusOr<job_store::Job> Store(const rpc::Call& call, job_store::JobSpec spec, const std::string& request_id);

  job_store::JobStore& store_;
  TargetCounter& targets_;
  Clock& clock_;
  const JobCreationOptions options_;
};

}  // namespace fleetcast::job_api
