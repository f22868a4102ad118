#include "libs/job_store/errors.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"

namespace fleetcast::job_store {
namespace {

using Code = absl::StatusCode;

absl::Status JobError(Code code, std::string_view reason, std::string_view message, std::string_view job_id) {
  return MakeError(code, reason, message, {{"job", std::string(job_id)}});
}

}  // namespace

absl::Status NoSuchJob(std::string_view job_id) {
  return JobError(Code::kNotFound, reasons::kJobNotFound, absl::StrCat("there is no job ", Absl(job_id)), job_id);
}

absl::Status NoSuchExecution(std::string_view job_id, std::string_view device_id) {
  return MakeError(Code::kNotFound, reasons::kExecutionNotFound,
                   absl::StrCat("job ", Absl(job_id), " has no target ", Absl(device_id)),
                   {{"job", std::string(job_id)}, {"device", std::string(device_id)}});
}

absl::Status JobAlreadyExists(std::string_view job_id) {
  return JobError(Code::kAlreadyExists, reasons::kJobAlreadyExists,
                  "the job id or request id belongs to another request", job_id);
}

absl::Status JobFinished(std::string_view job_id) {
  return JobError(Code::kFailedPrecondition, reasons::kJobFinished, absl::StrCat("job ", Absl(job_id), " has ended"),
                  job_id);
}

absl::Status JobRunning(std::string_view job_id) {
  return JobError(Code::kFailedPrecondition, reasons::kJobRunning, absl::StrCat("job ", Absl(job_id), " has started"),
                  job_id);
}

absl::Status JobNotInState(std::string_view job_id) {
  return JobError(Code::kFailedPrecondition, reasons::kJobNotInState,
                  absl::StrCat("job ", Absl(job_id), " runs or has ended"), job_id);
}

absl::Status JobHasChanged(std::string_view job_id) {
  return JobError(Code::kAborted, reasons::kEtagMismatch, absl::StrCat("job ", Absl(job_id), " has changed meanwhile"),
                  job_id);
}

absl::Status LeaseLost() {
  return MakeError(Code::kAborted, reasons::kLeaseLost, "the lease belongs to somebody else now");
}

}  // namespace fleetcast::job_store
