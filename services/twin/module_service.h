// registry.v1.ModuleService.
#pragma once

#include <functional>

#include "fleetcast/registry/v1/module.grpc.pb.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/run_on.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/device_store.h"

namespace fleetcast::twin {

// Handlers run on `workers`. `on_change` is called, on any thread, after changes that the feed should publish.
class ModuleService final : public registry::v1::ModuleService::CallbackService {
 public:
  ModuleService(DeviceStore& devices, const KeyVault& vault, WorkerPool& workers, std::function<void()> on_change)
      : devices_(devices), vault_(vault), workers_(workers), on_change_(std::move(on_change)) {}

  grpc::ServerUnaryReactor* CreateModule(grpc::CallbackServerContext* context,
                                         const registry::v1::CreateModuleRequest* request,
                                         registry::v1::CreateModuleResponse* response) override;
  grpc::ServerUnaryReactor* GetModule(grpc::CallbackServerContext* context,
                                      const registry::v1::GetModuleRequest* request,
                                      registry::v1::GetModuleResponse* response) override;
  grpc::ServerUnaryReactor* ListModules(grpc::CallbackServerContext* context,
                                        const registry::v1::ListModulesRequest* request,
                                        registry::v1::ListModulesResponse* response) override;
  grpc::ServerUnaryReactor* UpdateModule(grpc::CallbackServerContext* context,
                                         const registry::v1::UpdateModuleRequest* request,
                                         registry::v1::UpdateModuleResponse* response) override;
  grpc::ServerUnaryReactor* DeleteModule(grpc::CallbackServerContext* context,
                                         const registry::v1::DeleteModuleRequest* request,
                                         registry::v1::DeleteModuleResponse* response) override;

 private:
  DeviceStore& devices_;
  const KeyVault& vault_;
  WorkerPool& workers_;
  const std::function<void()> on_change_;
};

}  // namespace fleetcast::twin
