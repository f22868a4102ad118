// A method call as jobs and direct calls write it on the wire (service-rest.md 10). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/json/json.h"

namespace fleetcast::rest_gateway {

// Largest payload, as JSON text (service-rest.md 5.10).
inline constexpr size_t kPayloadBytesMax = size_t{128} * 1024;

struct MethodCall {
  std::string method;
  std::string payload;  // JSON text; empty = null.
  std::optional<int64_t> response_timeout_seconds;
  std::optional<int64_t> connect_timeout_seconds;
};

// Reads `object`. `timeoutInSeconds`, the 2016 preview's word for the response timeout, is accepted too. ARGUMENT_NULL
// without a method name, WRONG_TYPE, MESSAGE_TOO_LARGE. Ranges and the grammar of names are the backend's to check.
absl::StatusOr<MethodCall> ParseMethodCall(const json::Value& object);

}  // namespace fleetcast::rest_gateway
