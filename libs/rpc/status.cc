#include "libs/rpc/status.h"

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace fleetcast::rpc {
namespace {

// Payloads of absl::Status; their form is the serialised message of the same name.
constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";
constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

template <typename Message>
bool GetPayload(const absl::Status& status, absl::string_view url, Message* message) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload.has_value() && message->ParseFromString(std::string(*payload));
}

google::rpc::Status ToDetails(const absl::Status& status, const std::string& message) {
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);
  const ErrorDetail detail = GetErrorDetail(status);
  if (!detail.reason.empty()) {
    google::rpc::ErrorInfo info;
    info.set_reason(detail.reason);
    info.set_domain(kErrorDomain);
    info.mutable_metadata()->insert(detail.metadata.begin(), detail.metadata.end());
    details.add_details()->PackFrom(info);
  }
  if (google::rpc::RetryInfo retry; GetPayload(status, kRetryInfoUrl, &retry)) details.add_details()->PackFrom(retry);
  if (google::rpc::BadRequest bad; GetPayload(status, kBadRequestUrl, &bad)) details.add_details()->PackFrom(bad);
  return details;
}

// Drops what a client can do without until `details` fits into trailers.
void Shrink(google::rpc::Status* details) {
  for (auto& any : *details->mutable_details()) {
    if (details->ByteSizeLong() <= kDetailsBytesMax) return;
    if (any.Is<google::rpc::BadRequest>()) any.PackFrom(google::rpc::BadRequest());
  }
  for (auto& any : *details->mutable_details()) {
    if (details->ByteSizeLong() <= kDetailsBytesMax) return;
    google::rpc::ErrorInfo info;
    if (any.UnpackTo(&info)) {
      info.clear_metadata();
      info.mutable_reason()->resize(std::min<size_t>(info.reason().size(), 63));
      any.PackFrom(info);
    }
  }
}

absl::Status FromDetails(absl::StatusCode code, const google::rpc::Status& details, const std::string& message) {
  absl::Status status(code, message);
  for (const auto& any : details.details()) {
    google::rpc::ErrorInfo info;
    if (any.UnpackTo(&info) && info.domain() == kErrorDomain) {
      status = MakeError(code, info.reason(), message, {info.metadata().begin(), info.metadata().end()});
    }
  }
  for (const auto& any : details.details()) {
    if (any.Is<google::rpc::BadRequest>()) status.SetPayload(kBadRequestUrl, absl::Cord(any.value()));
    if (any.Is<google::rpc::RetryInfo>()) status.SetPayload(kRetryInfoUrl, absl::Cord(any.value()));
  }
  return status;
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message(status.message().substr(0, kMessageTextBytesMax));
  google::rpc::Status details = ToDetails(status, message);
  const auto code = static_cast<grpc::StatusCode>(status.code());  // The same numbers.
  if (details.details().empty()) return grpc::Status(code, message);
  if (details.ByteSizeLong() > kDetailsBytesMax) Shrink(&details);
  return grpc::Status(code, message, details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  google::rpc::Status details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) {
    return absl::Status(code, status.error_message());
  }
  return FromDetails(code, details, status.error_message());
}

absl::Status InvalidFields(std::vector<FieldViolation> violations, std::string_view reason) {
  google::rpc::BadRequest bad;
  std::string message;
  for (FieldViolation& violation : violations) {
    absl::StrAppend(&message, message.empty() ? "" : "; ", violation.field, ": ", violation.description);
    auto* const field = bad.add_field_violations();
    field->set_field(std::move(violation.field));
    field->set_description(std::move(violation.description));
  }
  absl::Status status = MakeError(absl::StatusCode::kInvalidArgument, reason, message);
  status.SetPayload(kBadRequestUrl, absl::Cord(bad.SerializeAsString()));
  return status;
}

std::vector<FieldViolation> GetFieldViolations(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  google::rpc::BadRequest bad;
  if (!GetPayload(status, kBadRequestUrl, &bad)) return violations;
  for (const auto& field : bad.field_violations()) violations.push_back({field.field(), field.description()});
  return violations;
}

absl::Status WithRetryAfter(absl::Status status, absl::Duration retry_after) {
  google::rpc::RetryInfo retry;
  absl::Duration rest;
  retry.mutable_retry_delay()->set_seconds(absl::IDivDuration(retry_after, absl::Seconds(1), &rest));
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  status.SetPayload(kRetryInfoUrl, absl::Cord(retry.SerializeAsString()));
  return status;
}

std::optional<absl::Duration> GetRetryAfter(const absl::Status& status) {
  google::rpc::RetryInfo retry;
  if (!GetPayload(status, kRetryInfoUrl, &retry)) return std::nullopt;
  return absl::Seconds(retry.retry_delay().seconds()) + absl::Nanoseconds(retry.retry_delay().nanos());
}

std::string_view CodeName(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk: return "OK";
    case absl::StatusCode::kCancelled: return "CANCELLED";
    case absl::StatusCode::kInvalidArgument: return "INVALID_ARGUMENT";
    case absl::StatusCode::kDeadlineExceeded: return "DEADLINE_EXCEEDED";
    case absl::StatusCode::kNotFound: return "NOT_FOUND";
    case absl::StatusCode::kAlreadyExists: return "ALREADY_EXISTS";
    case absl::StatusCode::kPermissionDenied: return "PERMISSION_DENIED";
    case absl::StatusCode::kResourceExhausted: return "RESOURCE_EXHAUSTED";
    case absl::StatusCode::kFailedPrecondition: return "FAILED_PRECONDITION";
    case absl::StatusCode::kAborted: return "ABORTED";
    case absl::StatusCode::kOutOfRange: return "OUT_OF_RANGE";
    case absl::StatusCode::kUnimplemented: return "UNIMPLEMENTED";
    case absl::StatusCode::kInternal: return "INTERNAL";
    case absl::StatusCode::kUnavailable: return "UNAVAILABLE";
    case absl::StatusCode::kDataLoss: return "DATA_LOSS";
    case absl::StatusCode::kUnauthenticated: return "UNAUTHENTICATED";
    default: return "UNKNOWN";
  }
}

}  // namespace fleetcast::rpc
