// twins.v1.TwinService.
#pragma once

#include <functional>

#include "fleetcast/twins/v1/twin.grpc.pb.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/run_on.h"
#include "services/twin/query_runner.h"
#include "services/twin/store/twin_store.h"

namespace fleetcast::twin {

// Single twins run on `workers`, queries on `scan_workers`. `on_change` is called, on any thread, after changes that
// the feed should publish.
class TwinService final : public twins::v1::TwinService::CallbackService {
 public:
  TwinService(TwinStore& twins, QueryRunner& queries, WorkerPool& workers, WorkerPool& scan_workers,
              std::function<void()> on_change)
      : twins_(twins),
        queries_(queries),
        workers_(workers),
        scan_workers_(scan_workers),
        on_change_(std::move(on_change)) {}

  grpc::ServerUnaryReactor* GetTwin(grpc::CallbackServerContext* context, const twins::v1::GetTwinRequest* request,
                                    twins::v1::GetTwinResponse* response) override;
  grpc::ServerUnaryReactor* PatchTwin(grpc::CallbackServerContext* context, const twins::v1::PatchTwinRequest* request,
                                      twins::v1::PatchTwinResponse* response) override;
  grpc::ServerUnaryReactor* ReplaceTwin(grpc::CallbackServerContext* context,
                                        const twins::v1::ReplaceTwinRequest* request,
                                        twins::v1::ReplaceTwinResponse* response) override;
  grpc::ServerUnaryReactor* QueryTwins(grpc::CallbackServerContext* context,
                                       const twins::v1::QueryTwinsRequest* request,
                                       twins::v1::QueryTwinsResponse* response) override;

 private:
  TwinStore& twins_;
  QueryRunner& queries_;
  WorkerPool& workers_;
  WorkerPool& scan_workers_;
  const std::function<void()> on_change_;
};

}  // namespace fleetcast::twin
