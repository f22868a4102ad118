#include "services/twin/record_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/json/json.h"
#include "libs/json/twin_rules.h"
#include "libs/model/reasons.h"
#include "libs/telemetry/log.h"

namespace fleetcast::twin {

namespace pb = ::fleetcast::internal::v1;

namespace {

constexpr int kDevicesPerCallMax = 1000;
constexpr int kPresencePerCallMax = 10'000;

absl::Status CheckCount(int count, int limit) {
  if (count <= limit) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue,
                   absl::StrCat(count, " devices in one call, the limit is ", limit));
}

std::vector<std::string> Ids(const google::protobuf::RepeatedPtrField<std::string>& ids) {
  return {ids.begin(), ids.end()};
}

// The status that the device is answered with (device-mqtt.md 4.7).
int DeviceStatus(const absl::Status& status) {
  if (GetReason(status) == json::kJsonTooLarge) return 413;
  switch (status.code()) {
    case absl::StatusCode::kNotFound: return 404;
    case absl::StatusCode::kFailedPrecondition: return 409;
    case absl::StatusCode::kAborted: return 412;
    default: return 400;
  }
}

void Refuse(const absl::Status& status, pb::ReportedChangeResult* out) {
  out->set_status(DeviceStatus(status));
  out->set_reason(GetReason(status));
  out->set_message(std::string(status.message()));
}

absl::StatusOr<json::Value> ReadPatch(const std::string& text) {
  FLEETCAST_ASSIGN_OR_RETURN(json::Value patch, json::ParseSection(text, json::Section::kReported));
  if (patch.is_object()) return patch;
  return MakeError(absl::StatusCode::kInvalidArgument, json::kInvalidTwin, "the patch must be a JSON object");
}

// Keys that cannot be opened are no keys: this device is refused, the others of the batch are not.
void SetKeys(const DeviceRecordRow& row, const KeyVault& vault, pb::DeviceRecord& record) {
  absl::StatusOr<KeyTexts> keys = vault.Open(row.identity, row.keys);
  if (!keys.ok()) {
    FLEETCAST_LOG_EVERY(kError, absl::Seconds(10), "device keys cannot be opened",
                        {{"device", row.identity.ToString()}, {"error", keys.status()}});
    return;
  }
  record.set_primary_key(std::move(keys->primary));
  record.set_secondary_key(std::move(keys->secondary));
}

}  // namespace

grpc::ServerUnaryReactor* RecordService::LookupDevices(grpc::CallbackServerContext* context,
                                                       const pb::LookupDevicesRequest* request,
                                                       pb::LookupDevicesResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(CheckCount(request->device_ids_size(), kDevicesPerCallMax));
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<DeviceRecordRow> rows,
                               records_.Lookup(call.deadline, Ids(request->device_ids())));
    for (const DeviceRecordRow& row : rows) {
      pb::DeviceRecord& record = *response->add_devices();
      record.set_device_id(row.identity.ToString());
      record.set_generation_id(absl::StrCat(row.generation_id));
      record.set_disabled(row.is_disabled);
      record.set_authentication_type(static_cast<pb::DeviceRecord::AuthenticationType>(row.authentication_type));
      SetKeys(row, vault_, record);
      record.set_primary_thumbprint(row.primary_thumbprint);
      record.set_secondary_thumbprint(row.secondary_thumbprint);
      record.set_subscriptions(static_cast<uint32_t>(row.subscriptions));
      record.set_has_session(row.has_session);
      record.set_desired_version(row.desired_version);
      record.set_session_expiry_seconds(static_cast<uint32_t>(row.session_expiry_seconds));
      record.set_session_end_unix_seconds(row.session_end_unix_seconds);
      record.set_presence_epoch(row.presence_epoch);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* RecordService::SaveSubscriptions(grpc::CallbackServerContext* context,
                                                           const pb::SaveSubscriptionsRequest* request,
                                                           pb::SaveSubscriptionsResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(CheckCount(request->changes_size(), kDevicesPerCallMax));
    std::vector<SubscriptionsChange> changes;
    for (const pb::StoredSubscriptions& change : request->changes()) {
      changes.push_back({change.device_id(), static_cast<int32_t>(change.subscriptions()), change.delete_(),
                         change.session_epoch(),
                         static_cast<int32_t>(std::min<uint32_t>(change.session_expiry_seconds(), INT32_MAX))});
    }
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<int64_t> versions, records_.SaveSubscriptions(call.deadline, changes));
    response->mutable_desired_versions()->Add(versions.begin(), versions.end());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* RecordService::ReadDeviceTwins(grpc::CallbackServerContext* context,
                                                         const pb::ReadDeviceTwinsRequest* request,
                                                         pb::ReadDeviceTwinsResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(CheckCount(request->device_ids_size(), kDevicesPerCallMax));
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<DeviceTwinRow> rows,
                               records_.ReadTwins(call.deadline, Ids(request->device_ids())));
    absl::flat_hash_map<std::string, const DeviceTwinRow*> row_of;
    for (const DeviceTwinRow& row : rows) row_of[row.device_id] = &row;
    for (const std::string& id : request->device_ids()) {
      pb::DeviceTwin& twin = *response->add_twins();
      twin.set_device_id(id);
      const auto found = row_of.find(id);
      if (found == row_of.end()) continue;
      twin.set_found(true);
      twin.set_document(found->second->document);
      twin.set_desired_version(found->second->desired_version);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* RecordService::PatchReported(grpc::CallbackServerContext* context,
                                                       const pb::PatchReportedRequest* request,
                                                       pb::PatchReportedResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(CheckCount(request->changes_size(), static_cast<int>(kReportedPerBatchMax)));
    std::vector<ReportedPatch> patches;
    std::vector<pb::ReportedChangeResult*> results;  // Of `patches`.
    for (const pb::ReportedChange& change : request->changes()) {
      pb::ReportedChangeResult* result = response->add_results();
      absl::StatusOr<json::Value> patch = ReadPatch(change.patch());
      if (!patch.ok()) {
        Refuse(patch.status(), result);
        continue;
      }
      patches.push_back({change.device_id(), change.session_epoch(), *std::move(patch), change.if_version()});
      results.push_back(result);
    }
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<ReportedResult> applied, reported_.Apply(call.deadline, patches));
    for (size_t i = 0; i < applied.size(); ++i) {
      if (!applied[i].ok()) {
        Refuse(applied[i].status(), results[i]);
        continue;
      }
      results[i]->set_status(204);
      results[i]->set_version(*applied[i]);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* RecordService::RecordPresence(grpc::CallbackServerContext* context,
                                                        const pb::RecordPresenceRequest* request,
                                                        pb::RecordPresenceResponse*) {
  return rpc::RunOn(workers_, context, [this, request](const rpc::Call& call) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(CheckCount(request->changes_size(), kPresencePerCallMax));
    std::vector<PresenceRow> changes;
    changes.reserve(static_cast<size_t>(request->changes_size()));
    for (const pb::PresenceChange& change : request->changes()) {
      changes.push_back({change.device_id(), change.session_epoch(), change.connected(),
                         absl::FromUnixMicros(change.activity_unix_micros()), change.activity_only()});
    }
    return records_.RecordPresence(call.deadline, changes);
  });
}

grpc::ServerUnaryReactor* RecordService::RaiseSessionGeneration(grpc::CallbackServerContext* context,
                                                                const pb::RaiseSessionGenerationRequest* request,
                                                                pb::RaiseSessionGenerationResponse* response) {
  return rpc::RunOn(workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const int64_t generation, records_.RaiseGeneration(call.deadline, request->seen()));
    response->set_generation(generation);
    return absl::OkStatus();
  });
}

}  // namespace fleetcast::twin
