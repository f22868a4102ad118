// Errors on the wire: absl::Status inside, grpc::Status with google.rpc details outside, mapped here and nowhere else.
//
// Code, message, reason and metadata (libs/base/status.h), field violations and retry-after survive any number of hops.
// Reasons travel as google.rpc.ErrorInfo with domain "fleetcast". Details are kept under kDetailsBytesMax, since they
// travel in HTTP/2 trailers: field violations are dropped first, then metadata.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace grpc {
class Status;
}  // namespace grpc

namespace fleetcast::rpc {

inline constexpr char kErrorDomain[] = "fleetcast";
inline constexpr size_t kDetailsBytesMax = 4096;
inline constexpr size_t kMessageTextBytesMax = 1024;  // A longer status message is cut.

// To and from the wire. A grpc::Status without details of ours becomes a plain absl::Status.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// One wrong field of a request.
struct FieldViolation {
  std::string field = {};        // Path in the request: "job.start_time".
  std::string description = {};  // What is wrong with it and what would be right.

  friend bool operator==(const FieldViolation&, const FieldViolation&) = default;
};

// INVALID_ARGUMENT with the wrong fields (google.rpc.BadRequest). `violations` must not be empty; the message is made
// of them. The reason is "INVALID_FIELD" unless given.
absl::Status InvalidFields(std::vector<FieldViolation> violations, std::string_view reason = "INVALID_FIELD");

// The wrong fields that `status` names; empty when it names none.
std::vector<FieldViolation> GetFieldViolations(const absl::Status& status);

// `status` with the word when to try again (google.rpc.RetryInfo); for RESOURCE_EXHAUSTED and UNAVAILABLE.
absl::Status WithRetryAfter(absl::Status status, absl::Duration retry_after);

// When to try again, if `status` says so.
std::optional<absl::Duration> GetRetryAfter(const absl::Status& status);

// "NOT_FOUND" and so on: the name of a code, for metrics, logs and JSON.
std::string_view CodeName(absl::StatusCode code);

}  // namespace fleetcast::rpc
