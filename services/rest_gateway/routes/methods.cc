#include "services/rest_gateway/routes/methods.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/backends.h"
#include "services/rest_gateway/routes/method_wire.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

using MethodAsync = methods::v1::MethodService::StubInterface::async_interface;

// What the backend uses when the request says nothing (service-rest.md 10).
constexpr int64_t kDefaultResponseSeconds = 30;
constexpr int64_t kResponseSecondsMax = 300;
// How much longer we wait than the device may take, so that the backend's answer is the one that the client gets.
constexpr absl::Duration kPatience = absl::Seconds(5);

// A failure of the call itself, not an answer of the backend, leaves open whether the device was called. That must
// become 504: the Node SDK repeats a method by itself after 500, 503 and 429, and a method is called at most once.
absl::Status WithKnownOutcome(const absl::Status& status) {
  if (!GetReason(status).empty()) return status;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kResourceExhausted: return status;
    default:
      return MakeError(absl::StatusCode::kDeadlineExceeded, reasons::kOutcomeUnknown,
                       "there is no answer, and whether the device was called is not known");
  }
}

}  // namespace

void MethodRoutes::Invoke(const ExchangePtr& exchange) const {
  const absl::StatusOr<json::Value> body = ParseObjectBody(exchange->request());
  if (!body.ok()) return exchange->Fail(body.status());
  absl::StatusOr<MethodCall> call = ParseMethodCall(*body);
  if (!call.ok()) return exchange->Fail(call.status());
  methods::v1::InvokeMethodRequest request;
  SetIdentity(*exchange, request);
  request.set_method(std::move(call->method));
  request.set_payload(std::move(call->payload));
  if (call->response_timeout_seconds) request.mutable_response_timeout()->set_seconds(*call->response_timeout_seconds);
  if (call->connect_timeout_seconds) request.mutable_connect_timeout()->set_seconds(*call->connect_timeout_seconds);
  const int64_t seconds = call->response_timeout_seconds.value_or(kDefaultResponseSeconds);
  const absl::Duration response_timeout = absl::Seconds(std::clamp(seconds, int64_t{0}, kResponseSecondsMax));
  const absl::Duration connect_timeout = absl::Seconds(call->connect_timeout_seconds.value_or(0));
  CallBackend(
      *exchange, response_timeout + kPatience, "fleetcast.methods.v1.MethodService/InvokeMethod",
      backends_.methods().async(), &MethodAsync::InvokeMethod, std::move(request),
      [=](const absl::StatusOr<methods::v1::InvokeMethodResponse>& response) {
        if (!response.ok()) {
          const absl::Status status = WithKnownOutcome(response.status());
          const bool is_offline = GetReason(status) == reasons::kDeviceNotOnline;
          return exchange->FailMethod(status, is_offline ? connect_timeout : response_timeout);
        }
        exchange->Answer(
            ObjectWriter().Integer("status", response->device_status()).Json("payload", response->payload()).Finish());
      });
}

}  // namespace fleetcast::rest_gateway
