// Errors with a stable, machine-readable reason.
//
// A status has a code (what should the caller do?), a reason (UPPER_SNAKE, stable, one per decision a client
// could take, see libs/model/reasons.h) and a message for people. Reason and metadata travel as a payload of
// absl::Status, so they survive any number of hops (libs/rpc/status.h maps them to google.rpc.ErrorInfo).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace fleetcast {

// What ErrorInfo carries besides the code and the message.
struct ErrorDetail {
  std::string reason;                           // UPPER_SNAKE, at most 63 characters; empty = none given.
  std::map<std::string, std::string> metadata;  // For instance {"device", "dev-1"}. Never a secret.
};

// A status of `code` with `reason` and `message`. `metadata` names what the error is about.
absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message,
                       std::map<std::string, std::string> metadata = {});

// The reason and metadata of `status`; both empty when it carries none (or is OK).
ErrorDetail GetErrorDetail(const absl::Status& status);

// Shorthand for GetErrorDetail(status).reason.
std::string GetReason(const absl::Status& status);

// `status` with "prefix: " before its message; code, reason and metadata stay. OK stays OK.
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

}  // namespace fleetcast
