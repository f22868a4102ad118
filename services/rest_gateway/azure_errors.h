// The one place where our errors become IoT Hub's: HTTP status, name, six-digit code, envelope (service-rest.md 4).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/http/message.h"

namespace fleetcast::rest_gateway {

// Reasons that only this door knows, besides those of libs/model/reasons.h. Sorted.
inline constexpr std::string_view kArgumentInvalid = "ARGUMENT_INVALID";
inline constexpr std::string_view kArgumentNull = "ARGUMENT_NULL";
inline constexpr std::string_view kDeviceDefinedTwice = "DEVICE_DEFINED_TWICE";
inline constexpr std::string_view kInvalidApiVersion = "INVALID_API_VERSION";
inline constexpr std::string_view kMalformedBody = "MALFORMED_BODY";
inline constexpr std::string_view kMessageTooLarge = "MESSAGE_TOO_LARGE";
inline constexpr std::string_view kNotSupported = "NOT_SUPPORTED";
inline constexpr std::string_view kTooManyDevices = "TOO_MANY_DEVICES";
inline constexpr std::string_view kUnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE";
inline constexpr std::string_view kWrongType =
    "WRONG_TYPE";  // A member of another JSON type than its own, or an unknown word.

// How IoT Hub calls an error.
struct AzureError {
  int http_status;
  int code;               // Six digits.
  std::string_view name;  // Of the header iothub-errorcode.
};

// For an error of ours; by its reason if that is known, else by its code.
AzureError ToAzureError(const absl::Status& status);

// For a reason alone, as bulk operations report them.
AzureError ToAzureError(std::string_view reason);

// For an HTTP error that libs/http found: 400, 404, 405, 413, 417, 431.
AzureError ToAzureError(int http_status);

// A JSON answer with the headers that every answer carries. `request_id` is 32 hex digits.
http::Response JsonResponse(int http_status, std::string body, std::string_view request_id);

// The error envelope of `status`; never shows the message of an error of ours (5xx) that no client was meant to see.
http::Response ErrorResponse(const absl::Status& status, std::string_view request_id, absl::Time now);

// The same for an error without a status of ours.
http::Response ErrorResponse(const AzureError& error, std::string_view text, std::string_view request_id,
                             absl::Time now);

// The nested envelope of direct methods. `timeout` is the wait that ended, shown with it.
http::Response MethodErrorResponse(const absl::Status& status, absl::Duration timeout, std::string_view request_id,
                                   absl::Time now);

}  // namespace fleetcast::rest_gateway
