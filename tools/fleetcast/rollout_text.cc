#include "tools/fleetcast/rollout_text.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/fleetcast/describe.h"
#include "tools/fleetcast/progress.h"

namespace fleetcast::cli {
namespace {

using json::Value;

// The shortest text of a fraction that reads as itself: "1.5", "2".
std::string Fraction(double value) { return absl::StrFormat("%.10g", value); }

Value FractionJson(double value) { return Value::NumberLiteral(absl::StrFormat("%.15g", value)); }

std::string RampText(const jobs::v1::ExponentialRate& ramp) {
  const bool by_notified = ramp.has_number_of_notified_devices();
  return absl::StrCat("ramp ", GroupDigits(ramp.base_rate_per_minute()), "/min x ", Fraction(ramp.increment_factor()),
                      " every ",
                      GroupDigits(by_notified ? ramp.number_of_notified_devices() : ramp.number_of_succeeded_devices()),
                      by_notified ? " notified" : " succeeded");
}

Value RampJson(const jobs::v1::ExponentialRate& ramp) {
  Value object = Value::MakeObject();
  object.Set("baseRatePerMinute", Value::Int(ramp.base_rate_per_minute()));
  object.Set("incrementFactor", FractionJson(ramp.increment_factor()));
  if (ramp.has_number_of_notified_devices()) {
    object.Set("numberOfNotifiedDevices", Value::Int(ramp.number_of_notified_devices()));
  } else {
    object.Set("numberOfSucceededDevices", Value::Int(ramp.number_of_succeeded_devices()));
  }
  return object;
}

}  // namespace

std::string FailureTypeName(jobs::v1::FailureType type) {
  return PlainName(jobs::v1::FailureType_Name(type), "FAILURE_TYPE_");
}

std::string PaceText(const jobs::v1::RolloutPolicy& policy) {
  std::vector<std::string> parts;
  if (policy.has_exponential_rate()) parts.push_back(RampText(policy.exponential_rate()));
  if (policy.maximum_per_minute() > 0) {
    parts.push_back(absl::StrCat("at most ", GroupDigits(policy.maximum_per_minute()), "/min"));
  }
  if (policy.in_flight_max() > 0) parts.push_back(absl::StrCat(GroupDigits(policy.in_flight_max()), " in flight"));
  return absl::StrJoin(parts, ", ");
}

std::string AbortText(const jobs::v1::RolloutPolicy& policy) {
  std::vector<std::string> parts;
  for (const jobs::v1::AbortCriterion& criterion : policy.abort_criteria()) {
    std::string part =
        absl::StrCat(Fraction(criterion.threshold_percentage()), "% ", FailureTypeName(criterion.failure_type()));
    if (criterion.min_number_of_executed_devices() > 1) {
      absl::StrAppend(&part, " of at least ", GroupDigits(criterion.min_number_of_executed_devices()));
    }
    parts.push_back(std::move(part));
  }
  return absl::StrJoin(parts, ", ");
}

std::string RetryText(const jobs::v1::RetryPolicy& policy) {
  std::vector<std::string> parts;
  for (const jobs::v1::RetryCriterion& criterion : policy.criteria()) {
    parts.push_back(absl::StrCat(FailureTypeName(criterion.failure_type()), " ", criterion.number_of_retries()));
  }
  if (parts.empty()) return "";
  return absl::StrCat(absl::StrJoin(parts, ", "), " (pauses of ", FormatSpan(policy.backoff_min()), " to ",
                      FormatSpan(policy.backoff_max()), policy.idempotent() ? "; idempotent)" : ")");
}

Value RolloutJson(const jobs::v1::RolloutPolicy& policy) {
  Value object = Value::MakeObject();
  if (policy.maximum_per_minute() > 0) object.Set("maximumPerMinute", Value::Int(policy.maximum_per_minute()));
  if (policy.has_exponential_rate()) object.Set("exponentialRate", RampJson(policy.exponential_rate()));
  if (policy.in_flight_max() > 0) object.Set("inFlightMax", Value::Int(policy.in_flight_max()));
  json::Array criteria;
  for (const jobs::v1::AbortCriterion& criterion : policy.abort_criteria()) {
    Value& entry = criteria.emplace_back(Value::MakeObject());
    entry.Set("failureType", Value::String(FailureTypeName(criterion.failure_type())));
    entry.Set("thresholdPercentage", FractionJson(criterion.threshold_percentage()));
    entry.Set("minNumberOfExecutedDevices", Value::Int(criterion.min_number_of_executed_devices()));
  }
  if (!criteria.empty()) object.Set("abortCriteria", Value::MakeArray(std::move(criteria)));
  return object;
}

Value RetryJson(const jobs::v1::RetryPolicy& policy) {
  Value object = Value::MakeObject();
  object.Set("idempotent", Value::Bool(policy.idempotent()));
  json::Array criteria;
  for (const jobs::v1::RetryCriterion& criterion : policy.criteria()) {
    Value& entry = criteria.emplace_back(Value::MakeObject());
    entry.Set("failureType", Value::String(FailureTypeName(criterion.failure_type())));
    entry.Set("numberOfRetries", Value::Int(criterion.number_of_retries()));
  }
  object.Set("criteria", Value::MakeArray(std::move(criteria)));
  object.Set("backoffMin", Value::String(FormatSpan(policy.backoff_min())));
  object.Set("backoffMax", Value::String(FormatSpan(policy.backoff_max())));
  return object;
}

}  // namespace fleetcast::cli
