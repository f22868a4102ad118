// A watched job, put together from what the stream says. Pure.
#pragma once

#include "fleetcast/jobs/v1/job.pb.h"

namespace fleetcast::cli {

// Brings `job` up to date: replaces it, or the parts that a delta has.
void Merge(const jobs::v1::WatchJobResponse& message, jobs::v1::Job& job);

}  // namespace fleetcast::cli
