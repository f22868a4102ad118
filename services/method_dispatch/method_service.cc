#include "services/method_dispatch/method_service.h"

#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/duration.pb.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/json/json.h"
#include "libs/model/ids.h"
#include "libs/model/reasons.h"
#include "libs/rpc/run_on.h"
#include "libs/rpc/status.h"

namespace fleetcast::method_dispatch {
namespace {

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// Withdraws the caller's interest when it goes away.
struct Abandon {
  Dispatcher& dispatcher;
  const DirectToken token;
  void operator()() const noexcept { dispatcher.AbandonDirect(token); }
};

}  // namespace

absl::StatusOr<DirectCall> ReadDirectCall(const methods::v1::InvokeMethodRequest& request,
                                          const telemetry::TraceContext& trace) {
  std::vector<rpc::FieldViolation> wrong;
  std::string_view reason;
  const auto violate = [&](std::string_view why, std::string field, std::string description) {
    if (wrong.empty()) reason = why;
    wrong.push_back({std::move(field), std::move(description)});
  };
  const auto check = [&](std::string_view why, std::string field, const absl::Status& status) {
    if (!status.ok()) violate(why, std::move(field), std::string(status.message()));
  };
  check(reasons::kInvalidDeviceId, "device_id", ValidateDeviceId(request.device_id()));
  if (!request.module_id().empty()) {
    check(reasons::kInvalidModuleId, "module_id", ValidateModuleId(request.module_id()));
  }
  check(reasons::kInvalidMethod, "method", ValidateMethodName(request.method()));
  const std::string payload = request.payload().empty() ? "null" : request.payload();
  if (payload.size() > kPayloadBytesMax) {
    violate(reasons::kPayloadTooLarge, "payload", absl::StrCat("longer than ", kPayloadBytesMax, " bytes"));
  } else {
    check(reasons::kInvalidPayload, "payload", json::ValidateDocument(payload, {.bytes_max = kPayloadBytesMax}));
  }
  DirectCall call;
  call.device_id = Identity{request.device_id(), request.module_id()}.ToString();
  call.response_timeout =
      request.has_response_timeout() ? FromProto(request.response_timeout()) : kResponseTimeoutDefault;
  call.connect_timeout = request.has_connect_timeout() ? FromProto(request.connect_timeout()) : absl::ZeroDuration();
  if (call.response_timeout < kResponseTimeoutMin || call.response_timeout > kResponseTimeoutMax) {
    violate(reasons::kInvalidTimeout, "response_timeout", "must be from 5 s to 300 s");
  } else if (call.connect_timeout < absl::ZeroDuration() || call.connect_timeout > call.response_timeout) {
    violate(reasons::kInvalidTimeout, "connect_timeout", "must be from 0 to the response timeout");
  }
  if (!wrong.empty()) return rpc::InvalidFields(std::move(wrong), reason);
  auto method = std::make_shared<pb::MethodRequest>();
  method->set_method(request.method());
  method->set_payload(payload);
  method->set_traceparent(telemetry::ToTraceparent(trace));
  call.request = std::move(method);
  return call;
}

absl::Status ReadAnswer(const pb::Answer& answer, methods::v1::InvokeMethodResponse& response) {
  if (!answer.payload().empty() && !json::ValidateDocument(answer.payload(), {.bytes_max = kPayloadBytesMax}).ok()) {
    return MakeError(absl::StatusCode::kInternal, reasons::kBadDeviceResponse,
                     "the device answered with something that is not JSON");
  }
  response.set_device_status(answer.device_status());
  response.set_payload(answer.payload().empty() ? "null" : answer.payload());
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* MethodService::InvokeMethod(grpc::CallbackServerContext* context,
                                                      const methods::v1::InvokeMethodRequest* request,
                                                      methods::v1::InvokeMethodResponse* response) {
  return rpc::RunLater(context, [this, request, response](std::shared_ptr<rpc::PendingRpc> pending) {
    absl::StatusOr<DirectCall> call = ReadDirectCall(*request, pending->call().trace);
    if (!call.ok()) {
      pending->Finish(call.status());
      return;
    }
    // Set once the call has started, and dropped together with the reply.
    auto on_stop = std::make_shared<std::optional<std::stop_callback<Abandon>>>();
    DirectToken token = 0;
    const auto reply = [pending, response, on_stop](const absl::Status& status, const pb::Answer& answer) {
      pending->Finish(status.ok() ? ReadAnswer(answer, *response) : status);
    };
    const absl::Status started = dispatcher_.StartDirect(*std::move(call), reply, &token);
    if (!started.ok()) {
      pending->Finish(started);
      return;
    }
    const std::stop_token stop = pending->call().stop;
    on_stop->emplace(stop, Abandon{dispatcher_, token});
  });
}

}  // namespace fleetcast::method_dispatch
