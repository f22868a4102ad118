// ListExecutions: of a job, of a device, or of both.
#pragma once

#include "absl/status/status.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/job_store/job_store.h"
#include "libs/model/page_token.h"
#include "libs/rpc/call.h"

namespace fleetcast::job_api {

// Thread-safe; List blocks on the database. Everything passed by reference must outlive it.
class ExecutionLists {
 public:
  ExecutionLists(job_store::JobStore& store, const PageTokens& tokens) : store_(store), tokens_(tokens) {}

  // Errors are those of the RPC.
  absl::Status List(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                    jobs::v1::ListExecutionsResponse& response);

 private:
  absl::Status ListOfJob(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                         jobs::v1::ListExecutionsResponse& response);
  absl::Status ListOfDevice(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                            jobs::v1::ListExecutionsResponse& response);
  absl::Status ListOne(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                       jobs::v1::ListExecutionsResponse& response);

  job_store::JobStore& store_;
  const PageTokens& tokens_;
};

}  // namespace fleetcast::job_api
