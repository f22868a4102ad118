#include "services/job_api/job_validation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/json/twin_rules.h"
#include "libs/model/ids.h"
#include "libs/model/reasons.h"
#include "libs/query/query.h"
#include "services/job_api/proto_time.h"
#include "services/job_api/rollout_proto.h"

namespace fleetcast::job_api {
namespace {

constexpr int64_t kTimestampSecondsMin =
    -62'135'596'800;  // 0001-01-01, the first instant of google.protobuf.Timestamp.

// A duration field within [min, max]; `fallback` when it is unset.
absl::Duration Bounded(const google::protobuf::Duration* value, absl::Duration fallback, absl::Duration min,
                       absl::Duration max, const char* field, Violations& violations) {
  if (value == nullptr) return fallback;
  const absl::Duration duration = FromProto(*value);
  if (duration < min || duration > max) {
    violations.Add(reasons::kInvalidTimeout, field,
                   absl::StrCat("must be from ", absl::FormatDuration(min), " to ", absl::FormatDuration(max)));
  }
  return duration;
}

job_store::MethodAction ReadMethod(const jobs::v1::InvokeMethodAction& action, Violations& violations) {
  job_store::MethodAction method;
  method.method = action.method();
  violations.AddIfBad(reasons::kInvalidMethod, "job.invoke_method.method", ValidateMethodName(action.method()));
  method.payload = action.payload().empty() ? "null" : action.payload();
  if (method.payload.size() > kPayloadBytesMax) {
    violations.Add(reasons::kPayloadTooLarge, "job.invoke_method.payload",
                   absl::StrCat("longer than ", kPayloadBytesMax, " bytes"));
  } else {
    violations.AddIfBad(reasons::kInvalidPayload, "job.invoke_method.payload",
                        json::ValidateDocument(method.payload, {.bytes_max = kPayloadBytesMax}));
  }
  method.response_timeout =
      Bounded(action.has_response_timeout() ? &action.response_timeout() : nullptr, kResponseTimeoutDefault,
              kResponseTimeoutMin, kResponseTimeoutMax, "job.invoke_method.response_timeout", violations);
  method.connect_timeout =
      Bounded(action.has_connect_timeout() ? &action.connect_timeout() : nullptr, absl::ZeroDuration(),
              absl::ZeroDuration(), kConnectTimeoutMax, "job.invoke_method.connect_timeout", violations);
  if (!jobs::v1::InvokeMethodAction::OfflinePolicy_IsValid(action.offline_policy())) {
    violations.Add(reasons::kInvalidValue, "job.invoke_method.offline_policy", "names a policy that does not exist");
  }
  method.wait_for_connection = action.offline_policy() == jobs::v1::InvokeMethodAction::OFFLINE_POLICY_WAIT;
  return method;
}

void CheckPatch(const std::string& patch, json::Section section, const char* field, Violations& violations) {
  if (patch.empty()) return;
  violations.AddIfBad(reasons::kInvalidTwin, field, json::ParseSection(patch, section).status());
}

job_store::TwinAction ReadTwin(const jobs::v1::UpdateTwinAction& action, Violations& violations) {
  CheckPatch(action.tags_patch(), json::Section::kTags, "job.update_twin.tags_patch", violations);
  CheckPatch(action.desired_patch(), json::Section::kDesired, "job.update_twin.desired_patch", violations);
  if (action.etag().size() > 128)
    violations.Add(reasons::kInvalidValue, "job.update_twin.etag", "longer than 128 bytes");
  return {.tags_patch = action.tags_patch(), .desired_patch = action.desired_patch(), .etag = action.etag()};
}

void CheckCondition(const jobs::v1::CreateJobRequest& request, Violations& violations) {
  const std::string& condition = request.job().condition();
  if (absl::StripAsciiWhitespace(condition).empty()) {
    violations.Add(reasons::kInvalidCondition, "job.condition", "is required; `*` means every device");
  } else if (condition.size() > kConditionBytesMax) {
    violations.Add(reasons::kInvalidCondition, "job.condition",
                   absl::StrCat("longer than ", kConditionBytesMax, " bytes"));
  } else if (!request.accept_invalid_condition()) {
    violations.AddIfBad(reasons::kInvalidCondition, "job.condition", query::ParseCondition(condition).status());
  }
}

void ReadStartTime(const jobs::v1::Job& job, absl::Time now, absl::Duration horizon, job_store::JobSpec& spec,
                   Violations& violations) {
  if (!job.has_start_time()) return;
  const absl::Time start = FromProto(job.start_time());
  if (start > now + horizon) {
    violations.Add(reasons::kInvalidStartTime, "job.start_time",
                   absl::StrCat("lies more than ", absl::FormatDuration(horizon), " ahead"));
    return;
  }
  if (start < absl::FromUnixSeconds(kTimestampSecondsMin)) {
    violations.Add(reasons::kInvalidStartTime, "job.start_time", "lies before the year 1");
    return;
  }
  spec.start_time = start;
}

RetryPolicy ReadRetry(const jobs::v1::Job& job, Violations& violations) {
  const RetryPolicy policy = FromProto(job.retry());
  violations.AddAll(reasons::kInvalidRetry, "job.retry", ValidateRetry(policy, job.has_invoke_method()));
  return policy.criteria.empty() ? RetryPolicy()
                                 : policy;  // Without criteria nothing is tried again, whatever else is said.
}

}  // namespace

RolloutPolicy ReadRollout(const jobs::v1::RolloutPolicy& message, Violations& violations) {
  RolloutPolicy policy = FromProto(message);
  violations.AddAll(reasons::kInvalidRollout, "job.rollout", ValidateRollout(policy));
  return policy;
}

int ReadPriority(int32_t priority, Violations& violations) {
  if (priority < 0 || priority > kPriorityMax) {
    violations.Add(reasons::kInvalidValue, "job.priority",
                   absl::StrCat("must be from 1 to ", kPriorityMax, ", or 0 for ", kPriorityDefault));
  }
  return priority == 0 ? kPriorityDefault : priority;
}

void CheckRequestId(const std::string& request_id, Violations& violations) {
  if (request_id.size() <= kRequestIdBytesMax) return;
  violations.Add(reasons::kInvalidValue, "request_id", absl::StrCat("longer than ", kRequestIdBytesMax, " bytes"));
}

absl::StatusOr<job_store::JobSpec> ValidateCreate(const jobs::v1::CreateJobRequest& request, absl::Time now,
                                                  absl::Duration start_horizon) {
  const jobs::v1::Job& job = request.job();
  Violations violations;
  job_store::JobSpec spec;
  spec.id = job.id();
  violations.AddIfBad(reasons::kInvalidJobId, "job.id", ValidateJobId(job.id()));
  switch (job.action_case()) {
    case jobs::v1::Job::kInvokeMethod: spec.action = ReadMethod(job.invoke_method(), violations); break;
    case jobs::v1::Job::kUpdateTwin: spec.action = ReadTwin(job.update_twin(), violations); break;
    case jobs::v1::Job::ACTION_NOT_SET:
      violations.Add(reasons::kInvalidAction, "job.action", "invoke_method or update_twin is required");
  }
  CheckCondition(request, violations);
  spec.condition = job.condition();
  ReadStartTime(job, now, start_horizon, spec, violations);
  spec.execution_timeout =
      Bounded(job.has_execution_timeout() ? &job.execution_timeout() : nullptr, kExecutionTimeoutDefault,
              kExecutionTimeoutMin, kExecutionTimeoutMax, "job.execution_timeout", violations);
  spec.rollout = ReadRollout(job.rollout(), violations);
  spec.retry = ReadRetry(job, violations);
  spec.priority = ReadPriority(job.priority(), violations);
  spec.status_message = job.status_message();
  if (spec.status_message.size() > kStatusMessageBytesMax) {
    violations.Add(reasons::kInvalidValue, "job.status_message",
                   absl::StrCat("longer than ", kStatusMessageBytesMax, " bytes"));
  }
  CheckRequestId(request.request_id(), violations);
  FLEETCAST_RETURN_IF_ERROR(std::move(violations).ToStatus());
  return spec;
}

}  // namespace fleetcast::job_api
