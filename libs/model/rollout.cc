#include "libs/model/rollout.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fleetcast {
namespace {

constexpr absl::Duration kBackoffMinLeast = absl::Milliseconds(100);
constexpr absl::Duration kBackoffMinMost = absl::Hours(1);
constexpr absl::Duration kBackoffMaxMost = absl::Hours(24);

absl::Status Invalid(std::string_view field, const std::string& rule) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(field), " ", rule));
}

template <typename Number>
bool IsWithin(Number value, Number min, Number max) {
  return value >= min && value <= max;
}

absl::Status ValidateRamp(const ExponentialRate& ramp, int32_t maximum) {
  if (!IsWithin(ramp.base_rate_per_minute, 1, kRatePerMinuteMax)) {
    return Invalid("exponential_rate.base_rate_per_minute", absl::StrCat("must be from 1 to ", kRatePerMinuteMax));
  }
  if (maximum > 0 && ramp.base_rate_per_minute > maximum) {
    return Invalid("exponential_rate.base_rate_per_minute", "must not be above maximum_per_minute");
  }
  // Written so that NaN fails.
  if (!(ramp.increment_factor > 1 && ramp.increment_factor <= kIncrementFactorMax)) {
    return Invalid("exponential_rate.increment_factor", "must be more than 1 and at most 5");
  }
  const bool by_notified = ramp.notified_step != 0;
  const bool by_succeeded = ramp.succeeded_step != 0;
  if (by_notified == by_succeeded) {
    return Invalid("exponential_rate.rate_increase_criteria", "is required: one of the two, more than 0");
  }
  if (!IsWithin<int64_t>(by_notified ? ramp.notified_step : ramp.succeeded_step, 1, kRolloutDevicesMax)) {
    return Invalid("exponential_rate.rate_increase_criteria", absl::StrCat("must be from 1 to ", kRolloutDevicesMax));
  }
  return absl::OkStatus();
}

absl::Status ValidateAbort(const AbortCriterion& criterion) {
  const FailureType type = criterion.failure_type;
  if (!IsWithin(type, FailureType::kAll, FailureType::kDeviceError) || type == FailureType::kNotOnline) {
    return Invalid("abort_criteria.failure_type", "must be ALL, FAILED, TIMED_OUT or DEVICE_ERROR");
  }
  if (!(criterion.threshold_percentage > 0 && criterion.threshold_percentage <= 100)) {
    return Invalid("abort_criteria.threshold_percentage", "must be more than 0 and at most 100");
  }
  if (!IsWithin<int64_t>(criterion.min_number_of_executed_devices, 1, kRolloutDevicesMax)) {
    return Invalid("abort_criteria.min_number_of_executed_devices",
                   absl::StrCat("must be from 1 to ", kRolloutDevicesMax));
  }
  return absl::OkStatus();
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

absl::Status ValidateRollout(const RolloutPolicy& policy) {
  if (!IsWithin(policy.maximum_per_minute, 0, kRatePerMinuteMax)) {
    return Invalid("maximum_per_minute", absl::StrCat("must be from 1 to ", kRatePerMinuteMax, ", or 0 for no limit"));
  }
  if (policy.exponential_rate.has_value()) {
    const absl::Status ramp = ValidateRamp(*policy.exponential_rate, policy.maximum_per_minute);
    if (!ramp.ok()) return ramp;
  }
  if (!IsWithin(policy.in_flight_max, 0, kInFlightMax)) {
    return Invalid("in_flight_max", absl::StrCat("must be from 1 to ", kInFlightMax, ", or 0 for no limit"));
  }
  if (policy.abort_criteria.size() > kAbortCriteriaMax) {
    return Invalid("abort_criteria", absl::StrCat("has more than ", kAbortCriteriaMax, " entries"));
  }
  for (const AbortCriterion& criterion : policy.abort_criteria) {
    const absl::Status valid = ValidateAbort(criterion);
    if (!valid.ok()) return valid;
  }
  return absl::OkStatus();
}

absl::Status ValidateRetry(const RetryPolicy& policy, bool is_method) {
  if (policy.criteria.empty()) return absl::OkStatus();
  if (!is_method) return Invalid("criteria", "is for method jobs; twin changes are applied exactly once without it");
  std::set<FailureType> seen;
  for (const RetryCriterion& criterion : policy.criteria) {
    if (!IsWithin(criterion.failure_type, FailureType::kAll, FailureType::kDeviceError)) {
      return Invalid("criteria.failure_type", "is required");
    }
    if (!seen.insert(criterion.failure_type).second) return Invalid("criteria.failure_type", "is named twice");
    if (!IsWithin(criterion.number_of_retries, 1, kRetriesMax)) {
      return Invalid("criteria.number_of_retries", absl::StrCat("must be from 1 to ", kRetriesMax));
    }
    if (!policy.idempotent && criterion.failure_type != FailureType::kNotOnline) {
      return Invalid(
          "idempotent",
          "is required: only NOT_ONLINE is proof that the device received nothing, everything else may run the "
          "method again");
    }
  }
  if (!IsWithin(policy.backoff_min, kBackoffMinLeast, kBackoffMinMost)) {
    return Invalid("backoff_min", "must be from 100 ms to 1 h");
  }
  if (!IsWithin(policy.backoff_max, policy.backoff_min, kBackoffMaxMost)) {
    return Invalid("backoff_max", "must be from backoff_min to 24 h");
  }
  return absl::OkStatus();
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
