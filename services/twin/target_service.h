// internal.v1.TargetService: which devices does the condition of a job select?
#pragma once

#include "fleetcast/internal/v1/target.grpc.pb.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/server_stream.h"
#include "services/twin/store/query_store.h"

namespace fleetcast::twin {

inline constexpr int kTargetsPerPage = 10'000;
inline constexpr int kTargetSampleMax = 100;

// Handlers run on `scan_workers`.
class TargetService final : public internal::v1::TargetService::CallbackService {
 public:
  TargetService(QueryStore& queries, WorkerPool& scan_workers) : queries_(queries), scan_workers_(scan_workers) {}

  grpc::ServerWriteReactor<internal::v1::StreamTargetsResponse>* StreamTargets(
      grpc::CallbackServerContext* context, const internal::v1::StreamTargetsRequest* request) override;
  grpc::ServerUnaryReactor* CountTargets(grpc::CallbackServerContext* context,
                                         const internal::v1::CountTargetsRequest* request,
                                         internal::v1::CountTargetsResponse* response) override;

 private:
  QueryStore& queries_;
  WorkerPool& scan_workers_;
};

}  // namespace fleetcast::twin
