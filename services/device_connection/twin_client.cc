#include "services/device_connection/twin_client.h"

#include <algorithm>
#include <utility>

#include "fleetcast/internal/v1/device_record.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/call.h"
#include "libs/telemetry/trace.h"

namespace fleetcast::device_connection {

namespace pb = ::fleetcast::internal::v1;

struct TwinClient::Stub {
  std::unique_ptr<pb::DeviceRecordService::Stub> service;

  // One unary call: `Response Method(request)`.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Ask(std::string_view name,
                               grpc::Status (pb::DeviceRecordService::Stub::*method)(grpc::ClientContext*,
                                                                                     const Request&, Response*),
                               const Request& request) {
    Response response;
    FLEETCAST_RETURN_IF_ERROR(rpc::CallUnary(
        rpc::BackgroundCall(kLimit, {}, telemetry::CurrentTrace()), kLimit, name,
        [&](grpc::ClientContext* context) { return (service.get()->*method)(context, request, &response); }));
    return response;
  }
};

TwinClient::TwinClient(const std::shared_ptr<grpc::ChannelInterface>& channel, RecordCache& cache, Clock& clock)
    : cache_(cache), clock_(clock), stub_(new Stub{pb::DeviceRecordService::NewStub(channel)}) {}

TwinClient::~TwinClient() = default;

absl::StatusOr<TwinClient::Records> TwinClient::FindRecords(const std::vector<std::string>& device_ids,
                                                            Freshness freshness) {
  Records records;
  std::vector<std::string> missing;
  const absl::Duration now = clock_.Monotonic();
  for (const std::string& device_id : device_ids) {
    if (records.contains(device_id)) continue;
    const auto cached = freshness == Freshness::kCached ? cache_.Find(device_id, now) : std::nullopt;
    records[device_id] = {cached.has_value() ? cached->record : nullptr, false};
    if (!cached.has_value()) missing.push_back(device_id);
  }
  for (size_t begin = 0; begin < missing.size(); begin += kRecordsPerCallMax) {
    const size_t end = std::min(begin + kRecordsPerCallMax, missing.size());
    FLEETCAST_RETURN_IF_ERROR(Lookup({missing.begin() + begin, missing.begin() + end}, records));
  }
  return records;
}

absl::Status TwinClient::Lookup(const std::vector<std::string>& device_ids, Records& records) {
  const RecordCache::Ticket ticket = cache_.Begin();
  pb::LookupDevicesRequest request;
  for (const std::string& device_id : device_ids) request.add_device_ids(device_id);
  FLEETCAST_ASSIGN_OR_RETURN(
      pb::LookupDevicesResponse response,
      stub_->Ask("DeviceRecordService/LookupDevices", &pb::DeviceRecordService::Stub::LookupDevices, request));
  for (pb::DeviceRecord& record : *response.mutable_devices()) {
    FoundRecord& found = records[record.device_id()];
    found.record = std::make_shared<const pb::DeviceRecord>(std::move(record));
  }
  const absl::Duration now = clock_.Monotonic();
  for (const std::string& device_id : device_ids) {
    FoundRecord& found = records[device_id];
    found.is_fresh = true;
    cache_.Put(ticket, device_id, found.record, now);
  }
  return absl::OkStatus();
}

absl::StatusOr<pb::SaveSubscriptionsResponse> TwinClient::SaveSubscriptions(
    const pb::SaveSubscriptionsRequest& request) {
  return stub_->Ask("DeviceRecordService/SaveSubscriptions", &pb::DeviceRecordService::Stub::SaveSubscriptions,
                    request);
}

absl::StatusOr<pb::ReadDeviceTwinsResponse> TwinClient::ReadTwins(const pb::ReadDeviceTwinsRequest& request) {
  return stub_->Ask("DeviceRecordService/ReadDeviceTwins", &pb::DeviceRecordService::Stub::ReadDeviceTwins, request);
}

absl::StatusOr<pb::PatchReportedResponse> TwinClient::PatchReported(const pb::PatchReportedRequest& request) {
  return stub_->Ask("DeviceRecordService/PatchReported", &pb::DeviceRecordService::Stub::PatchReported, request);
}

absl::Status TwinClient::RecordPresence(const pb::RecordPresenceRequest& request) {
  return stub_->Ask("DeviceRecordService/RecordPresence", &pb::DeviceRecordService::Stub::RecordPresence, request)
      .status();
}

absl::StatusOr<int64_t> TwinClient::RaiseSessionGeneration(int64_t seen) {
  pb::RaiseSessionGenerationRequest request;
  request.set_seen(seen);
  FLEETCAST_ASSIGN_OR_RETURN(const pb::RaiseSessionGenerationResponse response,
                             stub_->Ask("DeviceRecordService/RaiseSessionGeneration",
                                        &pb::DeviceRecordService::Stub::RaiseSessionGeneration, request));
  return response.generation();
}

}  // namespace fleetcast::device_connection
