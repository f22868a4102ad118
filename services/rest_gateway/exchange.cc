#include "services/rest_gateway/exchange.h"

#include <utility>

#include "libs/telemetry/log.h"
#include "services/rest_gateway/azure_errors.h"

namespace fleetcast::rest_gateway {
namespace {

// What the client calls this request, for people who search both logs; empty when it says nothing.
std::string_view ClientRequestId(const http::Request& request) {
  return request.FindHeader("x-ms-client-request-id").value_or(request.FindHeader("Request-Id").value_or(""));
}

}  // namespace

Exchange::~Exchange() {
  if (!is_answered_) Fail(absl::InternalError("the request was dropped"));
}

void Exchange::Answer(std::string body, std::vector<http::Header> headers) {
  Answer(200, std::move(body), std::move(headers));
}

void Exchange::AnswerEmpty() { Answer(204, "", {}); }

void Exchange::Answer(int http_status, std::string body, std::vector<http::Header> headers) {
  http::Response response = JsonResponse(http_status, std::move(body), parts_.request_id);
  for (http::Header& header : headers) response.headers.push_back(std::move(header));
  Send(std::move(response), absl::OkStatus());
}

void Exchange::Fail(const absl::Status& status) {
  Send(ErrorResponse(status, parts_.request_id, clock().Now()), status);
}

void Exchange::FailMethod(const absl::Status& status, absl::Duration timeout) {
  Send(MethodErrorResponse(status, timeout, parts_.request_id, clock().Now()), status);
}

void Exchange::Send(http::Response response, const absl::Status& status) {
  if (is_answered_) return;
  is_answered_ = true;
  parts_.span.SetAttribute("http.response.status_code", int64_t{response.status});
  if (response.status >= 500) {
    parts_.span.SetStatus(status);
    const telemetry::ScopedTrace trace(parts_.span.context());
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(1), "request failed",
                        {{"request_id", parts_.request_id},
                         {"client_request_id", ClientRequestId(request())},
                         {"status", response.status},
                         {"error", status}});
  }
  parts_.span.End();
  parts_.on_end(response.status);
  parts_.respond(std::move(response));
}

}  // namespace fleetcast::rest_gateway
