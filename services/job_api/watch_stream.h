// One WatchJob stream on the hub.
#pragma once

#include "fleetcast/jobs/v1/job.grpc.pb.h"
#include "libs/job_store/job_store.h"
#include "services/job_api/watch_hub.h"

namespace fleetcast::job_api {

// Reads one job for its watchers. `store` must outlive it.
WatchHub::ReadJob NewJobReader(job_store::JobStore& store);

// The reactor of a WatchJob call: feeds it from `hub` until the job or the watcher has ended.
grpc::ServerWriteReactor<jobs::v1::WatchJobResponse>* StartWatch(WatchHub& hub, grpc::CallbackServerContext* context,
                                                                 const jobs::v1::WatchJobRequest& request);

}  // namespace fleetcast::job_api
