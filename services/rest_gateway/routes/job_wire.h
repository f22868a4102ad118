// Jobs between the wire (service-rest.md 5) and jobs.v1. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/json/json.h"

namespace fleetcast::rest_gateway {

// The job that the body of `PUT /jobs/v2/{id}` asks for. Errors in the order of 5.1: WRONG_TYPE (unknown type, wrong
// JSON types), ARGUMENT_NULL, ARGUMENT_INVALID, MESSAGE_TOO_LARGE (payload). Ranges and grammars are job_api's to
// check.
absl::StatusOr<jobs::v1::Job> ParseJob(std::string_view id, const json::Value& body);

// A job as section 5.3 prints it. `status` instead of the job's own, unless empty.
std::string PrintJob(const jobs::v1::Job& job, std::string_view status = "");

// {"jobId":…,"type":"unknown","status":"unknown"}
std::string PrintUnknownJob(std::string_view id);

// `scheduleDeviceMethod`, `scheduleUpdateTwin` or `unknown`.
std::string_view TypeName(jobs::v1::ActionKind kind);

// What a list is asked for.
struct JobFilterValues {
  jobs::v1::ActionKind kind = jobs::v1::ACTION_KIND_UNSPECIFIED;  // Unspecified = all.
  std::vector<jobs::v1::Job::State> states;                       // Empty = all.
  bool is_empty = false;                                          // No v2 job can fit, for instance type `import`.
};

// The filters jobType and jobStatus of the list, in any case and with aliases; empty = absent. ARGUMENT_INVALID for
// other words.
absl::StatusOr<JobFilterValues> ParseJobFilters(std::string_view type, std::string_view status);

}  // namespace fleetcast::rest_gateway
