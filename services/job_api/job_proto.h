// Stored jobs and executions as messages of jobs.v1. Pure.
#pragma once

#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/job_store/job.h"

namespace fleetcast::job_api {

void ToProto(const job_store::Job& job, jobs::v1::Job* out);
void ToProto(const job_store::Execution& execution, jobs::v1::Execution* out);

}  // namespace fleetcast::job_api
