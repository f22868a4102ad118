// A digest of what a job is asked to do. Pure.
#pragma once

#include <string>

#include "libs/job_store/job.h"

namespace fleetcast::job_api {

// A digest of what `spec` means: the same for equal requests, so that a repeated CreateJob is recognised. It is stored
// with the job: what a spec without newer fields hashes to must never change.
std::string RequestHash(const job_store::JobSpec& spec);

}  // namespace fleetcast::job_api
