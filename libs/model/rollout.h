// Pace, safety and retries of a job as plain values, and the pure rules about them. The words and bounds are those of
// proto/fleetcast/jobs/v1/rollout.proto; job_api validates, the store keeps, the scheduler follows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace fleetcast {

inline constexpr int32_t kRatePerMinuteMax = 6'000'000;
inline constexpr int32_t kInFlightMax = 1'000'000;
inline constexpr int64_t kRolloutDevicesMax = 100'000'000;  // Steps and minimum samples.
inline constexpr double kIncrementFactorMax = 5;
inline constexpr size_t kAbortCriteriaMax = 8;
inline constexpr size_t kRetryCriteriaMax = 5;  // One for each failure type.
inline constexpr int kRetriesMax = 10;
inline constexpr absl::Duration kBackoffMinDefault = absl::Seconds(1);
inline constexpr absl::Duration kBackoffMinLeast = absl::Milliseconds(100);
inline constexpr absl::Duration kBackoffMinMost = absl::Hours(1);
inline constexpr absl::Duration kBackoffMaxDefault = absl::Minutes(5);
inline constexpr absl::Duration kBackoffMaxMost = absl::Hours(24);
inline constexpr int kPriorityDefault = 5;
inline constexpr int kPriorityMax = 9;

// The numbers are those of jobs.v1.FailureType and are stored.
enum class FailureType : int16_t { kAll = 1, kFailed = 2, kTimedOut = 3, kNotOnline = 4, kDeviceError = 5 };

// Exactly one of the two steps is set (> 0).
struct ExponentialRate {
  int32_t base_rate_per_minute = 0;
  double increment_factor = 0;
  int64_t notified_step = 0;
  int64_t succeeded_step = 0;

  friend bool operator==(const ExponentialRate&, const ExponentialRate&) = default;
};

struct AbortCriterion {
  FailureType failure_type = FailureType::kAll;
  double threshold_percentage = 0;
  int64_t min_number_of_executed_devices = 1;

  friend bool operator==(const AbortCriterion&, const AbortCriterion&) = default;
};

struct RolloutPolicy {
  int32_t maximum_per_minute = 0;  // 0 = no limit.
  std::optional<ExponentialRate> exponential_rate;
  int32_t in_flight_max = 0;  // 0 = no limit.
  std::vector<AbortCriterion> abort_criteria;

  // Something has to be counted over the whole job: one scheduler at a time runs it.
  bool is_limited() const {
    return maximum_per_minute > 0 || exponential_rate.has_value() || in_flight_max > 0 || !abort_criteria.empty();
  }
  friend bool operator==(const RolloutPolicy&, const RolloutPolicy&) = default;
};

struct RetryCriterion {
  FailureType failure_type = FailureType::kAll;
  int number_of_retries = 0;

  friend bool operator==(const RetryCriterion&, const RetryCriterion&) = default;
};

struct RetryPolicy {
  bool idempotent = false;
  std::vector<RetryCriterion> criteria;  // Empty = nothing is tried again.
  absl::Duration backoff_min = kBackoffMinDefault;
  absl::Duration backoff_max = kBackoffMaxDefault;

  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

// How far a job is, as far as these rules look at it.
struct RolloutProgress {
  int64_t notified = 0;   // Started: all that are running or have ended after an intent.
  int64_t succeeded = 0;  // device_errors included.
  int64_t failed = 0;
  int64_t timed_out = 0;
  int64_t device_errors = 0;
};

// A field of a policy that breaks its rule.
struct PolicyProblem {
  std::string field;  // Path below the policy: "abort_criteria[1].failure_type".
  std::string rule;   // What would be right: "must be from 1 to 10".

  friend bool operator==(const PolicyProblem&, const PolicyProblem&) = default;
};

// Every broken rule; empty = valid. Lists that are too long are named once, without their entries.
std::vector<PolicyProblem> ValidateRollout(const RolloutPolicy& policy);
// As above. `is_method`: whether the job calls methods.
std::vector<PolicyProblem> ValidateRetry(const RetryPolicy& policy, bool is_method);

// Devices that may be started in a minute from now on; nullopt = any number.
std::optional<double> RatePerMinute(const RolloutPolicy& policy, const RolloutProgress& progress);

// The sentence that says which criterion is met; nullopt when none is.
std::optional<std::string> MetAbortCriterion(const RolloutPolicy& policy, const RolloutProgress& progress);

// How many retries an end of this kind may have: of the most special criterion that fits; 0 = none. kNotOnline is also
// a kFailed; each is also kAll.
int RetriesFor(const RetryPolicy& policy, FailureType end);

// The longest pause before retry number `retry` (1 = the first); the pause is drawn evenly from zero to it ("full
// jitter").
absl::Duration BackoffCeiling(const RetryPolicy& policy, int retry);

}  // namespace fleetcast
