#include "libs/model/rollout.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fleetcast {
namespace {

using Problems = std::vector<PolicyProblem>;

template <typename Number>
bool IsWithin(Number value, Number min, Number max) {
  return value >= min && value <= max;
}

template <typename Number>
void CheckWithin(std::string field, Number value, Number min, Number max, Problems& problems) {
  if (!IsWithin(value, min, max))
    problems.push_back({std::move(field), absl::StrCat("must be from ", min, " to ", max)});
}

// A limit that may be absent.
void CheckLimit(std::string field, int32_t value, int32_t max, Problems& problems) {
  if (IsWithin(value, 0, max)) return;
  problems.push_back({std::move(field), absl::StrCat("must be from 1 to ", max, ", or 0 for no limit")});
}

void CheckRamp(const ExponentialRate& ramp, int32_t maximum, Problems& problems) {
  CheckWithin("exponential_rate.base_rate_per_minute", ramp.base_rate_per_minute, 1, kRatePerMinuteMax, problems);
  if (maximum > 0 && maximum <= kRatePerMinuteMax && ramp.base_rate_per_minute > maximum) {
    problems.push_back({"exponential_rate.base_rate_per_minute", "must not be above maximum_per_minute"});
  }
  // Written so that NaN fails.
  if (!(ramp.increment_factor > 1 && ramp.increment_factor <= kIncrementFactorMax)) {
    problems.push_back(
        {"exponential_rate.increment_factor", absl::StrCat("must be more than 1 and at most ", kIncrementFactorMax)});
  }
  const bool by_notified = ramp.notified_step != 0;
  const bool by_succeeded = ramp.succeeded_step != 0;
  if (by_notified == by_succeeded) {
    problems.push_back({"exponential_rate.rate_increase_criteria", "is required: one of the two, more than 0"});
    return;
  }
  CheckWithin<int64_t>(
      by_notified ? "exponential_rate.number_of_notified_devices" : "exponential_rate.number_of_succeeded_devices",
      by_notified ? ramp.notified_step : ramp.succeeded_step, 1, kRolloutDevicesMax, problems);
}

void CheckAbort(const AbortCriterion& criterion, const std::string& path, Problems& problems) {
  const FailureType type = criterion.failure_type;
  if (!IsWithin(type, FailureType::kAll, FailureType::kDeviceError) || type == FailureType::kNotOnline) {
    problems.push_back({path + ".failure_type", "must be ALL, FAILED, TIMED_OUT or DEVICE_ERROR"});
  }
  if (!(criterion.threshold_percentage > 0 && criterion.threshold_percentage <= 100)) {
    problems.push_back({path + ".threshold_percentage", "must be more than 0 and at most 100"});
  }
  CheckWithin<int64_t>(path + ".min_number_of_executed_devices", criterion.min_number_of_executed_devices, 1,
                       kRolloutDevicesMax, problems);
}

void CheckRetryCriteria(const RetryPolicy& policy, Problems& problems) {
  std::set<FailureType> seen;
  bool needs_word = false;
  for (size_t i = 0; i < policy.criteria.size(); ++i) {
    const RetryCriterion& criterion = policy.criteria[i];
    const std::string path = absl::StrCat("criteria[", i, "]");
    if (!IsWithin(criterion.failure_type, FailureType::kAll, FailureType::kDeviceError)) {
      problems.push_back({path + ".failure_type", "must be ALL, FAILED, TIMED_OUT, NOT_ONLINE or DEVICE_ERROR"});
    } else if (!seen.insert(criterion.failure_type).second) {
      problems.push_back({path + ".failure_type", "is named twice"});
    }
    CheckWithin(path + ".number_of_retries", criterion.number_of_retries, 1, kRetriesMax, problems);
    needs_word = needs_word || criterion.failure_type != FailureType::kNotOnline;
  }
  if (needs_word && !policy.idempotent) {
    problems.push_back({"idempotent",
                        "is required: only NOT_ONLINE is proof that the device received nothing, everything else may "
                        "run the method again"});
  }
}

int64_t CountOf(FailureType type, const RolloutProgress& progress) {
  switch (type) {
    case FailureType::kAll: return progress.failed + progress.timed_out + progress.device_errors;
    case FailureType::kFailed: return progress.failed;
    case FailureType::kTimedOut: return progress.timed_out;
    case FailureType::kDeviceError: return progress.device_errors;
    case FailureType::kNotOnline: break;  // Not counted apart; refused when the job is made.
  }
  return 0;
}

std::string_view NameOf(FailureType type) {
  switch (type) {
    case FailureType::kAll: return "failed, timed out or answered with an error";
    case FailureType::kFailed: return "failed";
    case FailureType::kTimedOut: return "timed out";
    case FailureType::kDeviceError: return "answered with an error";
    case FailureType::kNotOnline: break;
  }
  return "were not connected";
}

}  // namespace

std::vector<PolicyProblem> ValidateRollout(const RolloutPolicy& policy) {
  Problems problems;
  CheckLimit("maximum_per_minute", policy.maximum_per_minute, kRatePerMinuteMax, problems);
  if (policy.exponential_rate.has_value()) CheckRamp(*policy.exponential_rate, policy.maximum_per_minute, problems);
  CheckLimit("in_flight_max", policy.in_flight_max, kInFlightMax, problems);
  if (policy.abort_criteria.size() > kAbortCriteriaMax) {
    problems.push_back({"abort_criteria", absl::StrCat("has more than ", kAbortCriteriaMax, " entries")});
    return problems;
  }
  for (size_t i = 0; i < policy.abort_criteria.size(); ++i) {
    CheckAbort(policy.abort_criteria[i], absl::StrCat("abort_criteria[", i, "]"), problems);
  }
  return problems;
}

std::vector<PolicyProblem> ValidateRetry(const RetryPolicy& policy, bool is_method) {
  Problems problems;
  if (!policy.criteria.empty() && !is_method) {
    problems.push_back({"criteria", "is for method jobs; twin changes are applied exactly once without it"});
  } else if (policy.criteria.size() > kRetryCriteriaMax) {
    problems.push_back({"criteria", absl::StrCat("has more than ", kRetryCriteriaMax, " entries")});
  } else {
    CheckRetryCriteria(policy, problems);
  }
  if (!IsWithin(policy.backoff_min, kBackoffMinLeast, kBackoffMinMost)) {
    problems.push_back({"backoff_min", "must be from 100 ms to 1 h"});
  }
  if (!IsWithin(policy.backoff_max, policy.backoff_min, kBackoffMaxMost)) {
    problems.push_back({"backoff_max", "must be from backoff_min to 24 h"});
  }
  return problems;
}

std::optional<double> RatePerMinute(const RolloutPolicy& policy, const RolloutProgress& progress) {
  const double ceiling = policy.maximum_per_minute > 0 ? policy.maximum_per_minute : kRatePerMinuteMax;
  if (!policy.exponential_rate.has_value()) {
    return policy.maximum_per_minute > 0 ? std::optional(ceiling) : std::nullopt;
  }
  const ExponentialRate& ramp = *policy.exponential_rate;
  const int64_t steps = ramp.notified_step > 0 ? progress.notified / ramp.notified_step
                                               : progress.succeeded / std::max<int64_t>(1, ramp.succeeded_step);
  // Infinity for many steps is cut by the ceiling as well.
  return std::min(ceiling, ramp.base_rate_per_minute * std::pow(ramp.increment_factor, static_cast<double>(steps)));
}

std::optional<std::string> MetAbortCriterion(const RolloutPolicy& policy, const RolloutProgress& progress) {
  const int64_t executed = progress.succeeded + progress.failed + progress.timed_out;
  for (const AbortCriterion& criterion : policy.abort_criteria) {
    if (executed < criterion.min_number_of_executed_devices || executed == 0) continue;
    const int64_t count = CountOf(criterion.failure_type, progress);
    const double share = 100.0 * static_cast<double>(count) / static_cast<double>(executed);
    if (share < criterion.threshold_percentage) continue;
    return absl::StrFormat("Aborted: %d of %d finished devices %s (%.4g %%; the threshold is %.4g %%).", count,
                           executed, std::string(NameOf(criterion.failure_type)), share,
                           criterion.threshold_percentage);
  }
  return std::nullopt;
}

int RetriesFor(const RetryPolicy& policy, FailureType end) {
  const auto find = [&](FailureType type) -> std::optional<int> {
    for (const RetryCriterion& criterion : policy.criteria) {
      if (criterion.failure_type == type) return criterion.number_of_retries;
    }
    return std::nullopt;
  };
  if (const auto retries = find(end)) return *retries;
  if (end == FailureType::kNotOnline) {
    if (const auto retries = find(FailureType::kFailed)) return *retries;
  }
  return find(FailureType::kAll).value_or(0);
}

absl::Duration BackoffCeiling(const RetryPolicy& policy, int retry) {
  // backoff_max is at most 24 h and backoff_min at least 100 ms: 20 doublings reach it.
  const int doublings = std::clamp(retry - 1, 0, 20);
  return std::min(policy.backoff_max, policy.backoff_min * (1 << doublings));
}

}  // namespace fleetcast
