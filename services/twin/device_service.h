// registry.v1.DeviceService.
#pragma once

#include <functional>

#include "fleetcast/registry/v1/device.grpc.pb.h"
#include "libs/base/worker_pool.h"
#include "libs/model/page_token.h"
#include "libs/rpc/run_on.h"
#include "services/twin/device_export.h"
#include "services/twin/device_import.h"
#include "services/twin/device_statistics.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/registry_batch.h"

namespace fleetcast::twin {

// What the services of the registry stand on.
struct RegistryParts {
  DeviceStore& devices;
  RegistryBatchStore& batches;
  DeviceStatistics& statistics;
  const KeyVault& vault;
};

// Handlers run on `workers`, exports on `export_workers`. `on_change` is called, on any thread, after changes that the
// feed should publish.
class DeviceService final : public registry::v1::DeviceService::CallbackService {
 public:
  DeviceService(const RegistryParts& parts, DeviceExport& exports, const PageTokens& tokens, WorkerPool& workers,
                WorkerPool& export_workers, std::function<void()> on_change)
      : parts_(parts),
        exports_(exports),
        tokens_(tokens),
        workers_(workers),
        export_workers_(export_workers),
        on_change_(std::move(on_change)) {}

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
  grpc::ServerBidiReactor<registry::v1::ImportDevicesRequest, registry::v1::ImportDevicesResponse>* ImportDevices(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<registry::v1::ExportDevicesResponse>* ExportDevices(
      grpc::CallbackServerContext* context, const registry::v1::ExportDevicesRequest* request) override;

 private:
  absl::Status List(const rpc::Call& call, const registry::v1::ListDevicesRequest& request,
                    registry::v1::ListDevicesResponse& response);

  const RegistryParts parts_;
  DeviceExport& exports_;
  const PageTokens& tokens_;
  WorkerPool& workers_;
  WorkerPool& export_workers_;
  const std::function<void()> on_change_;
};

}  // namespace fleetcast::twin
