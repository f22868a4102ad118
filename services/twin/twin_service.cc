#include "services/twin/twin_service.h"

#include "libs/base/status_macros.h"

namespace fleetcast::twin {

namespace twins_pb = ::fleetcast::twins::v1;

namespace {

void ToProto(const TwinRow& row, twins_pb::Twin* out) {
  out->set_device_id(row.device_id);
  out->set_module_id(row.module_id);
  out->set_document(TwinDocument(row));
  out->set_etag(TwinEtag(static_cast<uint64_t>(row.etag)));
  out->set_version(row.version);
  out->set_desired_version(row.desired_version);
  out->set_reported_version(row.reported_version);
}

// Whose twin a request is about.
template <typename Request>
Identity Whose(const Request& request) {
  return {request.device_id(), request.module_id()};
}

}  // namespace

grpc::ServerUnaryReactor* TwinService::GetTwin(grpc::CallbackServerContext* context,
                                               const twins_pb::GetTwinRequest* request,
                                               twins_pb::GetTwinResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const TwinRow row, twins_.Get(call.deadline, Whose(*request)));
    ToProto(row, response->mutable_twin());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TwinService::PatchTwin(grpc::CallbackServerContext* context,
                                                 const twins_pb::PatchTwinRequest* request,
                                                 twins_pb::PatchTwinResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const TwinEdit edit, ParseMerge(request->tags_patch(), request->desired_patch()));
    FLEETCAST_ASSIGN_OR_RETURN(const TwinRow row, twins_.Edit(call.deadline, Whose(*request), edit,
                                                              EtagCondition::Parse(request->if_match())));
    on_change_();
    ToProto(row, response->mutable_twin());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TwinService::ReplaceTwin(grpc::CallbackServerContext* context,
                                                   const twins_pb::ReplaceTwinRequest* request,
                                                   twins_pb::ReplaceTwinResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const TwinEdit edit, ParseReplacement(request->tags(), request->desired()));
    FLEETCAST_ASSIGN_OR_RETURN(const TwinRow row, twins_.Edit(call.deadline, Whose(*request), edit,
                                                              EtagCondition::Parse(request->if_match())));
    on_change_();
    ToProto(row, response->mutable_twin());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* TwinService::QueryTwins(grpc::CallbackServerContext* context,
                                                  const twins_pb::QueryTwinsRequest* request,
                                                  twins_pb::QueryTwinsResponse* response) {
  return rpc::RunOn(scan_workers_, context, [this, request, response](const rpc::Call& call) {
    return queries_.Run(call.deadline, *request, *response);
  });
}

}  // namespace fleetcast::twin
