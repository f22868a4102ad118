// registry.v1.DeviceService.
#pragma once

#include <functional>

#include "fleetcast/registry/v1/device.grpc.pb.h"
#include "libs/base/worker_pool.h"
#include "libs/model/page_token.h"
#include "libs/rpc/run_on.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/twin_store.h"

namespace fleetcast::twin {

// Handlers run on `workers`. `on_change` is called, on any thread, after changes that the feed should publish.
class DeviceService final : public registry::v1::DeviceService::CallbackService {
 public:
  DeviceService(DeviceStore& devices, TwinStore& twins, const PageTokens& tokens, WorkerPool& workers,
                std::function<void()> on_change)
      : devices_(devices), twins_(twins), tokens_(tokens), workers_(workers), on_change_(std::move(on_change)) {}

  grpc::ServerUnaryReactor* CreateDevice(grpc::CallbackServerContext* context,
                                         const registry::v1::CreateDeviceRequest* request,
                                         registry::v1::CreateDeviceResponse* response) override;
  grpc::ServerUnaryReactor* GetDevice(grpc::CallbackServerContext* context,
                                      const registry::v1::GetDeviceRequest* request,
                                      registry::v1::GetDeviceResponse* response) override;
  grpc::ServerUnaryReactor* ListDevices(grpc::CallbackServerContext* context,
                                        const registry::v1::ListDevicesRequest* request,
                                        registry::v1::ListDevicesResponse* response) override;
  grpc::ServerUnaryReactor* UpdateDevice(grpc::CallbackServerContext* context,
                                         const registry::v1::UpdateDeviceRequest* request,
                                         registry::v1::UpdateDeviceResponse* response) override;
  grpc::ServerUnaryReactor* DeleteDevice(grpc::CallbackServerContext* context,
                                         const registry::v1::DeleteDeviceRequest* request,
                                         registry::v1::DeleteDeviceResponse* response) override;
  grpc::ServerUnaryReactor* BatchChangeDevices(grpc::CallbackServerContext* context,
                                               const registry::v1::BatchChangeDevicesRequest* request,
                                               registry::v1::BatchChangeDevicesResponse* response) override;
  grpc::ServerUnaryReactor* GetRegistryStatistics(grpc::CallbackServerContext* context,
                                                  const registry::v1::GetRegistryStatisticsRequest* request,
                                                  registry::v1::GetRegistryStatisticsResponse* response) override;

 private:
  absl::Status List(const rpc::Call& call, const registry::v1::ListDevicesRequest& request,
                    registry::v1::ListDevicesResponse& response);

  DeviceStore& devices_;
  TwinStore& twins_;
  const PageTokens& tokens_;
  WorkerPool& workers_;
  const std::function<void()> on_change_;
};

}  // namespace fleetcast::twin
