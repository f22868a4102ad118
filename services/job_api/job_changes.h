// What becomes of a job on request: cancel, pause, resume, new limits.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/base/clock.h"
#include "libs/job_store/job_store.h"
#include "libs/rpc/call.h"

namespace fleetcast::job_api {

struct JobChangeOptions {
  absl::Duration permit_lifetime;  // The scheduler's.
  absl::Duration cancel_drain;     // How long answers to requests sent before a cancel are awaited.
};

// Cancel, Pause and Update are barriers (reliability J10, J15): when something may be under way they answer after every
// permit that was given before has run out, so what they say holds from the answer on. Thread-safe; the functions block
// on the database and for that time. Everything passed by reference must outlive it. Errors are those of the RPCs.
class JobChanges {
 public:
  JobChanges(job_store::JobStore& store, Clock& clock, JobChangeOptions options)
      : store_(store), clock_(clock), options_(options) {}

  absl::Status Cancel(const rpc::Call& call, const jobs::v1::CancelJobRequest& request,
                      jobs::v1::CancelJobResponse& response);
  absl::Status Pause(const rpc::Call& call, const jobs::v1::PauseJobRequest& request,
                     jobs::v1::PauseJobResponse& response);
  absl::Status Resume(const rpc::Call& call, const jobs::v1::ResumeJobRequest& request,
                      jobs::v1::ResumeJobResponse& response);
  absl::Status Update(const rpc::Call& call, const jobs::v1::UpdateJobRequest& request,
                      jobs::v1::UpdateJobResponse& response);

 private:
  // Waits for permits if need be, and writes the job as it then is.
  absl::Status Answer(const rpc::Call& call, job_store::StopResult result, jobs::v1::Job* out);

  job_store::JobStore& store_;
  Clock& clock_;
  const JobChangeOptions options_;
};

}  // namespace fleetcast::job_api
