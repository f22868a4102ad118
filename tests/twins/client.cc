#include "tests/twins/client.h"

#include "grpcpp/client_context.h"
#include "libs/base/check.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/etag.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status.h"

namespace fleetcast::twin_history {
namespace {

namespace internal_pb = ::fleetcast::internal::v1;

constexpr absl::Duration kCallLimit = absl::Seconds(10);

std::shared_ptr<grpc::ChannelInterface> Connect(const std::string& address) {
  auto channel = rpc::MakeChannel(address, {.own_connection = true});
  FLEETCAST_CHECK(channel.ok());
  return *std::move(channel);
}

template <typename Stub, typename Request, typename Response>
absl::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response& response) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(SystemClock().Now() + kCallLimit));
  return rpc::FromGrpc((stub.*method)(&context, request, &response));
}

std::string Text(const std::optional<json::Value>& section) {
  return section.has_value() ? json::Print(*section) : std::string();
}

// Whether an error proves that nothing was written.
bool IsRefusal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) || absl::IsAborted(status) ||
         absl::IsFailedPrecondition(status);
}

// Fills in what an answer with a whole twin says.
template <typename Response>
void Take(const absl::Status& status, const Response& response, Operation& operation) {
  if (!status.ok()) {
    operation.result = IsRefusal(status) ? Result::kRefused : Result::kUnknown;
    operation.reason = std::string(GetReason(status));
    return;
  }
  absl::StatusOr<Snapshot> after = ReadSnapshot(response.twin().document());
  FLEETCAST_CHECK(after.ok());
  operation.result = Result::kOk;
  operation.after = *std::move(after);
}

}  // namespace

Client::Client(const std::string& address) {
  const std::shared_ptr<grpc::ChannelInterface> channel = Connect(address);
  devices_ = registry::v1::DeviceService::NewStub(channel);
  twins_ = twins::v1::TwinService::NewStub(channel);
  records_ = internal_pb::DeviceRecordService::NewStub(channel);
  writes_ = internal_pb::TwinWriteService::NewStub(channel);
}

absl::Status Client::CreateDevice(const std::string& device) {
  registry::v1::CreateDeviceRequest request;
  request.mutable_device()->set_id(device);
  registry::v1::CreateDeviceResponse response;
  return Call(*devices_, &registry::v1::DeviceService::Stub::CreateDevice, request, response);
}

absl::StatusOr<Snapshot> Client::Read(const std::string& device) {
  twins::v1::GetTwinRequest request;
  request.set_device_id(device);
  twins::v1::GetTwinResponse response;
  const absl::Duration begin = SystemClock().Monotonic();
  FLEETCAST_RETURN_IF_ERROR(Call(*twins_, &twins::v1::TwinService::Stub::GetTwin, request, response));
  const absl::Duration end = SystemClock().Monotonic();
  FLEETCAST_ASSIGN_OR_RETURN(Snapshot snapshot, ReadSnapshot(response.twin().document()));
  snapshot.begin = begin;
  snapshot.end = end;
  return snapshot;
}

void Client::WriteTwin(Operation& operation) {
  const std::string if_match =
      operation.if_etag == 0 ? std::string() : TwinEtag(static_cast<uint64_t>(operation.if_etag));
  operation.begin = SystemClock().Monotonic();
  if (operation.kind == Kind::kReplace) {
    twins::v1::ReplaceTwinRequest request;
    request.set_device_id(operation.device);
    request.set_tags(Text(operation.tags));
    request.set_desired(Text(operation.desired));
    request.set_if_match(if_match);
    twins::v1::ReplaceTwinResponse response;
    Take(Call(*twins_, &twins::v1::TwinService::Stub::ReplaceTwin, request, response), response, operation);
  } else {
    twins::v1::PatchTwinRequest request;
    request.set_device_id(operation.device);
    request.set_tags_patch(Text(operation.tags));
    request.set_desired_patch(Text(operation.desired));
    request.set_if_match(if_match);
    twins::v1::PatchTwinResponse response;
    Take(Call(*twins_, &twins::v1::TwinService::Stub::PatchTwin, request, response), response, operation);
  }
  operation.end = SystemClock().Monotonic();
  if (!operation.after.has_value()) return;
  operation.after->begin = operation.begin;
  operation.after->end = operation.end;
}

void Client::WriteReported(std::vector<Operation>& operations) {
  internal_pb::PatchReportedRequest request;
  for (const Operation& operation : operations) {
    internal_pb::ReportedChange& change = *request.add_changes();
    change.set_device_id(operation.device);
    change.set_session_epoch(operation.epoch);
    change.set_patch(Text(operation.reported));
  }
  internal_pb::PatchReportedResponse response;
  const absl::Duration begin = SystemClock().Monotonic();
  const absl::Status status =
      Call(*records_, &internal_pb::DeviceRecordService::Stub::PatchReported, request, response);
  const absl::Duration end = SystemClock().Monotonic();
  for (size_t i = 0; i < operations.size(); ++i) {
    Operation& operation = operations[i];
    operation.begin = begin;
    operation.end = end;
    if (!status.ok()) continue;
    const internal_pb::ReportedChangeResult& result = response.results(static_cast<int>(i));
    operation.result = result.status() == 204 ? Result::kOk : Result::kRefused;
    operation.reported_version = result.version();
    operation.reason = result.reason();
  }
}

std::optional<internal_pb::TwinSliceResult> Client::SendSlice(const internal_pb::WriteSlicesRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(SystemClock().Now() + kCallLimit));
  const auto stream = writes_->WriteSlices(&context);
  internal_pb::WriteSlicesResponse response;
  const bool is_answered = stream->Write(request) && stream->Read(&response);
  stream->WritesDone();
  context.TryCancel();
  stream->Finish();
  if (!is_answered || response.results_size() != 1) return std::nullopt;
  return response.results(0);
}

void Client::WriteSlice(int64_t job, std::vector<Operation>& operations, bool is_repeated,
                        const std::function<bool()>& is_over) {
  internal_pb::WriteSlicesRequest request;
  internal_pb::TwinSlice& slice = *request.add_slices();
  slice.set_job_seq(job);
  for (const Operation& operation : operations) slice.add_device_ids(operation.device);
  slice.set_tags_patch(Text(operations.front().tags));
  slice.set_desired_patch(Text(operations.front().desired));
  slice.set_permit_expire_unix_micros(absl::ToUnixMicros(SystemClock().Now() + absl::Minutes(1)));
  const absl::Duration begin = SystemClock().Monotonic();
  std::optional<internal_pb::TwinSliceResult> result;
  int answers = 0;
  while (answers < (is_repeated ? 2 : 1) && !is_over()) {
    const auto answer = SendSlice(request);
    if (!answer.has_value() || answer->disposition() != internal_pb::TwinSliceResult::DISPOSITION_APPLIED) continue;
    result = answer;
    ++answers;
  }
  for (Operation& operation : operations) {
    operation.begin = begin;
    operation.end = SystemClock().Monotonic();
    if (result.has_value()) operation.result = Result::kOk;
  }
  if (!result.has_value()) return;
  for (const internal_pb::TwinWriteFailure& failure : result->failures()) {
    operations[static_cast<size_t>(failure.index())].result = Result::kRefused;
    operations[static_cast<size_t>(failure.index())].reason = failure.reason();
  }
}

}  // namespace fleetcast::twin_history
