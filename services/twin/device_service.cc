#include "services/twin/device_service.h"

#include <utility>

#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/reasons.h"
#include "services/twin/batch_change.h"
#include "services/twin/device_settings.h"
#include "services/twin/page_size.h"
#include "services/twin/store/identity_writer.h"

namespace fleetcast::twin {

namespace registry_pb = ::fleetcast::registry::v1;

grpc::ServerUnaryReactor* DeviceService::CreateDevice(grpc::CallbackServerContext* context,
                                                      const registry_pb::CreateDeviceRequest* request,
                                                      registry_pb::CreateDeviceResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    NewDevice device;
    FLEETCAST_ASSIGN_OR_RETURN(device.settings, ReadSettings(request->device(), parts_.vault));
    device.twin = FreshTwin(absl::Now());
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<DeviceRow> created, parts_.devices.Create(call.deadline, {device}));
    if (created.empty()) return IdentityAlreadyExists(device.settings.identity());
    on_change_();
    return ToProto(created[0], &parts_.vault, response->mutable_device());
  });
}

grpc::ServerUnaryReactor* DeviceService::GetDevice(grpc::CallbackServerContext* context,
                                                   const registry_pb::GetDeviceRequest* request,
                                                   registry_pb::GetDeviceResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const DeviceRow row, parts_.devices.Get(call.deadline, request->device_id()));
    return ToProto(row, &parts_.vault, response->mutable_device());
  });
}

grpc::ServerUnaryReactor* DeviceService::ListDevices(grpc::CallbackServerContext* context,
                                                     const registry_pb::ListDevicesRequest* request,
                                                     registry_pb::ListDevicesResponse* response) {
  return rpc::RunOn(workers_, context,
                    [this, request, response](const rpc::Call& call) { return List(call, *request, *response); });
}

absl::Status DeviceService::List(const rpc::Call& call, const registry_pb::ListDevicesRequest& request,
                                 registry_pb::ListDevicesResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  std::string after;
  if (!request.page_token().empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(after, tokens_.Open(request.page_token(), {"ListDevices"}));
  }
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<DeviceRow> rows,
                             parts_.devices.List(call.deadline, after, page_size + 1));
  for (const DeviceRow& row : rows) {
    if (response.devices_size() == page_size) {
      const std::string& last = response.devices(page_size - 1).id();
      response.set_next_page_token(tokens_.Seal(last, {"ListDevices"}));
      break;
    }
    FLEETCAST_RETURN_IF_ERROR(ToProto(row, nullptr, response.add_devices()));
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* DeviceService::UpdateDevice(grpc::CallbackServerContext* context,
                                                      const registry_pb::UpdateDeviceRequest* request,
                                                      registry_pb::UpdateDeviceResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    const EtagCondition condition = EtagCondition::Parse(request->if_match());
    if (condition.absent()) {
      return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue, "if_match is required");
    }
    FLEETCAST_ASSIGN_OR_RETURN(const DeviceSettings settings, ReadSettings(request->device(), parts_.vault));
    FLEETCAST_ASSIGN_OR_RETURN(const DeviceRow row, parts_.devices.Update(call.deadline, settings, condition));
    on_change_();
    return ToProto(row, &parts_.vault, response->mutable_device());
  });
}

grpc::ServerUnaryReactor* DeviceService::DeleteDevice(grpc::CallbackServerContext* context,
                                                      const registry_pb::DeleteDeviceRequest* request,
                                                      registry_pb::DeleteDeviceResponse*) {
  return rpc::RunOn(workers_, context, [this, request](const rpc::Call& call) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(
        parts_.devices.Delete(call.deadline, request->device_id(), EtagCondition::Parse(request->if_match())));
    on_change_();
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DeviceService::BatchChangeDevices(grpc::CallbackServerContext* context,
                                                            const registry_pb::BatchChangeDevicesRequest* request,
                                                            registry_pb::BatchChangeDevicesResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(BatchChange(call.deadline, *request, parts_.batches, parts_.vault, *response));
    on_change_();
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DeviceService::GetRegistryStatistics(grpc::CallbackServerContext* context,
                                                               const registry_pb::GetRegistryStatisticsRequest*,
                                                               registry_pb::GetRegistryStatisticsResponse* response) {
  return rpc::RunOn(workers_, context, [this, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const DeviceCounts counts, parts_.statistics.Get(call.deadline));
    response->set_total_devices(counts.total);
    response->set_enabled_devices(counts.total - counts.disabled);
    response->set_disabled_devices(counts.disabled);
    response->set_connected_devices(counts.connected);
    return absl::OkStatus();
  });
}

grpc::ServerBidiReactor<registry_pb::ImportDevicesRequest, registry_pb::ImportDevicesResponse>*
DeviceService::ImportDevices(grpc::CallbackServerContext* context) {
  return DeviceImport::Start(context, {parts_.batches, parts_.vault}, workers_, on_change_);
}

grpc::ServerWriteReactor<registry_pb::ExportDevicesResponse>* DeviceService::ExportDevices(
    grpc::CallbackServerContext* context, const registry_pb::ExportDevicesRequest* request) {
  return rpc::StreamOn<registry_pb::ExportDevicesResponse>(
      export_workers_, context,
      [this, request](const rpc::Call& call, rpc::ServerStream<registry_pb::ExportDevicesResponse>& out) {
        return exports_.Run(call, *request, out);
      },
      {.messages_max = 4});
}

}  // namespace fleetcast::twin
