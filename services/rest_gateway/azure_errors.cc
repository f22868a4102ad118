#include "services/rest_gateway/azure_errors.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/json/twin_rules.h"
#include "libs/model/reasons.h"
#include "libs/rpc/status.h"

namespace fleetcast::rest_gateway {
namespace {

// How long a client should wait that we turned away for lack of room, unless the error says so itself.
constexpr absl::Duration kDefaultRetryAfter = absl::Seconds(1);

constexpr AzureError kArgumentInvalidError = {400, 400004, "ArgumentInvalid"};
constexpr AzureError kServerError = {500, 500001, "ServerError"};
constexpr AzureError kServiceUnavailable = {503, 503001, "ServiceUnavailable"};
constexpr AzureError kUnauthorized = {401, 401002, "IotHubUnauthorizedAccess"};

constexpr std::array<std::pair<std::string_view, AzureError>, 32> kByReason = {{
    {kArgumentInvalid, kArgumentInvalidError},
    {kArgumentNull, {400, 400005, "ArgumentNull"}},
    {kDeviceDefinedTwice, {400, 400011, "DeviceDefinedMultipleTimes"}},
    {kInvalidApiVersion, {400, 400001, "InvalidProtocolVersion"}},
    {kMalformedBody, {400, 400012, "DeserializationError"}},
    {kMessageTooLarge, {413, 413001, "MessageTooLarge"}},
    {kNotSupported, {403, 403010, "OperationNotAvailableInCurrentTier"}},
    {kTooManyDevices, {413, 413002, "TooManyDevices"}},
    {kUnsupportedMediaType, {415, 415000, "GenericUnsupportedMediaType"}},
    {kWrongType, {400, 400000, "GenericBadRequest"}},
    {json::kJsonTooLarge, {413, 413001, "MessageTooLarge"}},
    {reasons::kBadDeviceResponse, {502, 502000, "GenericBadGateway"}},
    {reasons::kConnectionClosed, {404, 404104, "DeviceConnectionClosedRemotely"}},
    {reasons::kDeviceAlreadyExists, {409, 409001, "DeviceAlreadyExists"}},
    {reasons::kDeviceDisabled, {403, 403012, "DeviceDisabled"}},
    {reasons::kDeviceNotFound, {404, 404001, "DeviceNotFound"}},
    {reasons::kDeviceNotOnline, {404, 404103, "DeviceNotOnline"}},
    {reasons::kEtagMismatch, {412, 412001, "PreconditionFailed"}},
    {reasons::kInvalidDeviceScope, {400, 400028, "InvalidDeviceScope"}},
    {reasons::kJobAlreadyExists, {409, 409104, "JobAlreadyExists"}},
    {reasons::kJobFinished, {405, 405102, "OperationNotAllowedInCurrentState"}},
    {reasons::kJobNotFound, {404, 404002, "JobNotFound"}},
    {reasons::kJobRunning, {405, 405102, "OperationNotAllowedInCurrentState"}},
    {reasons::kMissingRight, kUnauthorized},
    {reasons::kModuleAlreadyExists, {409, 409301, "ModuleAlreadyExistsOnDevice"}},
    {reasons::kModuleNotFound, {404, 404010, "ModuleNotFound"}},
    {reasons::kOutcomeUnknown, {504, 504101, "GatewayTimeout"}},
    {reasons::kResponseTimeout, {504, 504101, "GatewayTimeout"}},
    {reasons::kSasMalformed, kUnauthorized},
    {reasons::kServerBusy, {429, 429001, "ThrottlingException"}},
    {reasons::kTooManyInFlight, {403, 403800, "DeviceMaximumInflightMethodExceeded"}},
    {reasons::kTooManyModules, {413, 413003, "TooManyModulesOnDevice"}},
}};

// nullptr when the reason says no more than its code.
const AzureError* FindReason(std::string_view reason) {
  const auto* found =
      std::find_if(kByReason.begin(), kByReason.end(), [&](const auto& entry) { return entry.first == reason; });
  return found == kByReason.end() ? nullptr : &found->second;
}

AzureError ByCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange: return kArgumentInvalidError;
    case absl::StatusCode::kNotFound: return {404, 404000, "GenericNotFound"};
    case absl::StatusCode::kAlreadyExists: return {409, 409000, "GenericConflict"};
    case absl::StatusCode::kFailedPrecondition: return {400, 400003, "InvalidOperation"};
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:  // 403 would mean "quota" or "too many devices" to the SDKs.
      return kUnauthorized;
    case absl::StatusCode::kResourceExhausted: return {429, 429001, "ThrottlingException"};
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnavailable: return kServiceUnavailable;
    case absl::StatusCode::kUnimplemented: return {403, 403010, "OperationNotAvailableInCurrentTier"};
    default: return kServerError;
  }
}

// A text that is fit for the envelope: clients cut it at `;`.
std::string PublicText(const absl::Status& status, const AzureError& error) {
  if (error.http_status == 401) return "Unauthorized";
  // Messages of errors that nobody meant for clients may name addresses and tables.
  const bool is_internal = error.http_status >= 500 && FindReason(GetReason(status)) == nullptr;
  if (is_internal)
    return error.http_status == 500 ? "An internal error occurred." : "The service is not available now.";
  return absl::StrReplaceAll(status.message(), {{";", ","}});
}

// `12345678-…` of 32 hex digits.
std::string AsGuid(std::string_view id) {
  const absl::string_view hex = Absl(id);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-", hex.substr(16, 4), "-",
                      hex.substr(20));
}

// Seconds to wait, at least one; nothing for errors that waiting does not help.
void AddRetryAfter(const absl::Status& status, http::Response& response) {
  if (response.status != 429 && response.status != 503) return;
  const absl::Duration wait = rpc::GetRetryAfter(status).value_or(kDefaultRetryAfter);
  const int64_t seconds = std::max<int64_t>(1, absl::ToInt64Seconds(absl::Ceil(wait, absl::Seconds(1))));
  response.headers.push_back({"Retry-After", absl::StrCat(seconds)});
}

}  // namespace

AzureError ToAzureError(const absl::Status& status) {
  const AzureError* known = FindReason(GetReason(status));
  return known != nullptr ? *known : ByCode(status.code());
}

AzureError ToAzureError(std::string_view reason) {
  const AzureError* known = FindReason(reason);
  return known != nullptr ? *known : kArgumentInvalidError;
}

AzureError ToAzureError(int http_status) {
  switch (http_status) {
    case 404: return {404, 404000, "GenericNotFound"};
    case 405: return {405, 405000, "GenericMethodNotAllowed"};
    case 413: return {413, 413001, "MessageTooLarge"};
    case 503: return kServiceUnavailable;
    default: return {http_status, 400000, "GenericBadRequest"};
  }
}

http::Response JsonResponse(int http_status, std::string body, std::string_view request_id) {
  http::Response response = {.status = http_status, .headers = {{"x-ms-request-id", AsGuid(request_id)}}};
  response.headers.push_back({"Vary", "Origin"});
  if (http_status != 204) response.headers.push_back({"Content-Type", "application/json; charset=utf-8"});
  response.body = std::move(body);
  return response;
}

http::Response ErrorResponse(const AzureError& error, std::string_view text, std::string_view request_id,
                             absl::Time now) {
  const std::string message = absl::StrCat("ErrorCode:", Absl(error.name), ";", Absl(text));
  const std::string tracking =
      absl::StrCat("Tracking ID:", Absl(request_id),
                   "-G:0-TimeStamp:", absl::FormatTime("%m/%d/%Y %H:%M:%S", now, absl::UTCTimeZone()));
  http::Response response = JsonResponse(
      error.http_status,
      absl::StrCat("{\"Message\":", json::Quote(message), ",\"ExceptionMessage\":", json::Quote(tracking), "}"),
      request_id);
  response.headers.push_back({"iothub-errorcode", std::string(error.name)});
  return response;
}

http::Response ErrorResponse(const absl::Status& status, std::string_view request_id, absl::Time now) {
  const AzureError error = ToAzureError(status);
  http::Response response = ErrorResponse(error, PublicText(status, error), request_id, now);
  AddRetryAfter(status, response);
  // The rest of a body that was shorter or longer than announced would be taken for the next request.
  response.close = GetReason(status) == kMalformedBody;
  return response;
}

http::Response MethodErrorResponse(const absl::Status& status, absl::Duration timeout, std::string_view request_id,
                                   absl::Time now) {
  const AzureError error = ToAzureError(status);
  const int64_t seconds = absl::ToInt64Seconds(timeout);
  const std::string wait = absl::StrFormat("%02d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
  const std::string inner =
      absl::StrCat("{\"errorCode\":", error.code, ",\"trackingId\":", json::Quote(request_id),
                   ",\"message\":", json::Quote(PublicText(status, error)), ",\"info\":{\"timeout\":\"", wait,
                   "\"},\"timestampUtc\":", json::Quote(json::TwinTime(now)), "}");
  http::Response response = JsonResponse(
      error.http_status, absl::StrCat("{\"Message\":", json::Quote(inner), ",\"ExceptionMessage\":\"\"}"), request_id);
  response.headers.push_back({"iothub-errorcode", std::string(error.name)});
  AddRetryAfter(status, response);
  return response;
}

}  // namespace fleetcast::rest_gateway
