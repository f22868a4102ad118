#include "services/twin/module_service.h"

#include <vector>

#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/reasons.h"
#include "services/twin/device_settings.h"
#include "services/twin/store/identity_writer.h"

namespace fleetcast::twin {

namespace registry_pb = ::fleetcast::registry::v1;

namespace {

// An empty module id would mean the device itself.
absl::StatusOr<Identity> ReadModule(const std::string& device_id, const std::string& module_id) {
  const Identity identity = {device_id, module_id};
  if (module_id.empty()) return IdentityNotFound({device_id, module_id});
  return identity;
}

}  // namespace

grpc::ServerUnaryReactor* ModuleService::CreateModule(grpc::CallbackServerContext* context,
                                                      const registry_pb::CreateModuleRequest* request,
                                                      registry_pb::CreateModuleResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    NewDevice module;
    FLEETCAST_ASSIGN_OR_RETURN(module.settings, ReadSettings(request->module(), vault_));
    module.twin = FreshTwin(absl::Now());
    FLEETCAST_ASSIGN_OR_RETURN(const DeviceRow row, devices_.CreateModule(call.deadline, module));
    on_change_();
    return ToProto(row, &vault_, response->mutable_module());
  });
}

grpc::ServerUnaryReactor* ModuleService::GetModule(grpc::CallbackServerContext* context,
                                                   const registry_pb::GetModuleRequest* request,
                                                   registry_pb::GetModuleResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const Identity identity, ReadModule(request->device_id(), request->module_id()));
    FLEETCAST_ASSIGN_OR_RETURN(const DeviceRow row, devices_.Get(call.deadline, identity));
    return ToProto(row, &vault_, response->mutable_module());
  });
}

grpc::ServerUnaryReactor* ModuleService::ListModules(grpc::CallbackServerContext* context,
                                                     const registry_pb::ListModulesRequest* request,
                                                     registry_pb::ListModulesResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<DeviceRow> rows,
                               devices_.ListModules(call.deadline, request->device_id()));
    for (const DeviceRow& row : rows) FLEETCAST_RETURN_IF_ERROR(ToProto(row, nullptr, response->add_modules()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ModuleService::UpdateModule(grpc::CallbackServerContext* context,
                                                      const registry_pb::UpdateModuleRequest* request,
                                                      registry_pb::UpdateModuleResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    const EtagCondition condition = EtagCondition::Parse(request->if_match());
    if (condition.absent()) {
      return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue, "if_match is required");
    }
    FLEETCAST_ASSIGN_OR_RETURN(const DeviceSettings settings, ReadSettings(request->module(), vault_));
    FLEETCAST_ASSIGN_OR_RETURN(const DeviceRow row, devices_.Update(call.deadline, settings, condition));
    on_change_();
    return ToProto(row, &vault_, response->mutable_module());
  });
}

grpc::ServerUnaryReactor* ModuleService::DeleteModule(grpc::CallbackServerContext* context,
                                                      const registry_pb::DeleteModuleRequest* request,
                                                      registry_pb::DeleteModuleResponse*) {
  return rpc::RunOn(workers_, context, [this, request](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const Identity identity, ReadModule(request->device_id(), request->module_id()));
    FLEETCAST_RETURN_IF_ERROR(devices_.Delete(call.deadline, identity, EtagCondition::Parse(request->if_match())));
    on_change_();
    return absl::OkStatus();
  });
}

}  // namespace fleetcast::twin
