#include "services/job_api/request_hash.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/model/digest.h"

namespace fleetcast::job_api {
namespace {

void Append(std::string& out, std::string_view part) {
  absl::StrAppend(&out, part.size(), ":");  // With its length, so that no two requests run together.
  out.append(part);
}

void Append(std::string& out, int64_t number) { Append(out, std::string_view(absl::StrCat(number))); }
void Append(std::string& out, double number) { Append(out, std::string_view(absl::StrFormat("%.17g", number))); }
void Append(std::string& out, absl::Duration span) { Append(out, std::string_view(absl::FormatDuration(span))); }

void AppendAction(std::string& out, const job_store::Action& action) {
  if (const auto* method = std::get_if<job_store::MethodAction>(&action)) {
    Append(out, "method");
    Append(out, method->method);
    Append(out, method->payload);
    Append(out, method->response_timeout);
    Append(out, method->connect_timeout);
    return;
  }
  const auto& twin = std::get<job_store::TwinAction>(action);
  Append(out, "twin");
  Append(out, twin.tags_patch);
  Append(out, twin.desired_patch);
  Append(out, twin.etag);
}

void AppendRollout(std::string& out, const RolloutPolicy& policy) {
  Append(out, "rollout");
  Append(out, int64_t{policy.maximum_per_minute});
  Append(out, int64_t{policy.in_flight_max});
  const ExponentialRate ramp = policy.exponential_rate.value_or(ExponentialRate());
  Append(out, int64_t{ramp.base_rate_per_minute});
  Append(out, ramp.increment_factor);
  Append(out, ramp.notified_step);
  Append(out, ramp.succeeded_step);
  for (const AbortCriterion& criterion : policy.abort_criteria) {
    Append(out, "abort");
    Append(out, static_cast<int64_t>(criterion.failure_type));
    Append(out, criterion.threshold_percentage);
    Append(out, criterion.min_number_of_executed_devices);
  }
}

void AppendRetry(std::string& out, const RetryPolicy& policy) {
  Append(out, "retry");
  Append(out, int64_t{policy.idempotent});
  Append(out, policy.backoff_min);
  Append(out, policy.backoff_max);
  for (const RetryCriterion& criterion : policy.criteria) {
    Append(out, static_cast<int64_t>(criterion.failure_type));
    Append(out, int64_t{criterion.number_of_retries});
  }
}

void AppendRetried(std::string& out, const job_store::RetriedTargets& retried) {
  Append(out, "retried");
  Append(out, retried.job_id);
  Append(out, int64_t{retried.device_errors});
  for (const ExecutionState state : retried.states) Append(out, static_cast<int64_t>(state));
}

}  // namespace

std::string RequestHash(const job_store::JobSpec& spec) {
  std::string text;
  Append(text, spec.id);
  Append(text, spec.condition);
  AppendAction(text, spec.action);
  const absl::TimeZone utc = absl::UTCTimeZone();
  Append(text, spec.start_time.has_value() ? absl::FormatTime(*spec.start_time, utc) : std::string());
  Append(text, spec.execution_timeout);
  // What came later is there only when it is used, each part under its name.
  const auto* method = std::get_if<job_store::MethodAction>(&spec.action);
  if (method != nullptr && method->wait_for_connection) Append(text, "wait_for_connection");
  if (spec.rollout != RolloutPolicy()) AppendRollout(text, spec.rollout);
  if (spec.retry != RetryPolicy()) AppendRetry(text, spec.retry);
  if (spec.priority != kPriorityDefault) {
    Append(text, "priority");
    Append(text, int64_t{spec.priority});
  }
  if (spec.retried.has_value()) AppendRetried(text, *spec.retried);
  return Sha256(text);
}

}  // namespace fleetcast::job_api
