#include "libs/job_store/postgres_policies.h"

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "libs/base/check.h"

namespace fleetcast::job_store {
namespace {

using postgres::Params;
using postgres::Row;

absl::Duration Micros(const Row& row, const char* column) { return absl::Microseconds(row.Get<int64_t>(column)); }

double Number(const std::string& text) {
  double value = 0;
  FLEETCAST_CHECK(absl::SimpleAtod(text, &value));
  return value;
}

}  // namespace

void AddRollout(Params& params, const RolloutPolicy& policy) {
  const std::optional<ExponentialRate>& ramp = policy.exponential_rate;
  std::vector<int> types;
  std::vector<double> percentages;
  std::vector<int64_t> minimums;
  for (const AbortCriterion& criterion : policy.abort_criteria) {
    types.push_back(static_cast<int>(criterion.failure_type));
    percentages.push_back(criterion.threshold_percentage);
    minimums.push_back(criterion.min_number_of_executed_devices);
  }
  params.Add(policy.is_limited());
  params.Add(policy.maximum_per_minute);
  params.Add(ramp.has_value() ? std::optional(ramp->base_rate_per_minute) : std::nullopt);
  params.Add(ramp.has_value() ? std::optional(ramp->increment_factor) : std::nullopt);
  params.Add(ramp.has_value() ? std::optional(ramp->notified_step) : std::nullopt);
  params.Add(ramp.has_value() ? std::optional(ramp->succeeded_step) : std::nullopt);
  params.Add(policy.in_flight_max);
  params.Add(types);
  params.Add(percentages);
  params.Add(minimums);
}

void AddRetry(Params& params, const RetryPolicy& policy) {
  std::vector<int> types, numbers;
  for (const RetryCriterion& criterion : policy.criteria) {
    types.push_back(static_cast<int>(criterion.failure_type));
    numbers.push_back(criterion.number_of_retries);
  }
  params.Add(policy.idempotent);
  params.Add(types);
  params.Add(numbers);
  params.Add(absl::ToInt64Microseconds(policy.backoff_min));
  params.Add(absl::ToInt64Microseconds(policy.backoff_max));
}

void AddRetried(Params& params, const std::optional<RetriedTargets>& retried) {
  if (!retried.has_value()) {
    params.Add(std::nullopt);
    params.Add(std::nullopt);
    params.Add(false);
    return;
  }
  std::vector<int> states;
  for (const ExecutionState state : retried->states) states.push_back(static_cast<int>(state));
  params.Add(retried->job_id);
  params.Add(states);
  params.Add(retried->device_errors);
}

RolloutPolicy ReadRollout(const Row& row) {
  RolloutPolicy policy;
  policy.maximum_per_minute = row.Get<int32_t>("maximum_per_minute");
  policy.in_flight_max = row.Get<int32_t>("in_flight_max");
  if (const auto base = row.Get<std::optional<int32_t>>("ramp_base_per_minute")) {
    policy.exponential_rate = {*base, row.Get<double>("ramp_factor"), row.Get<int64_t>("ramp_notified_step"),
                               row.Get<int64_t>("ramp_succeeded_step")};
  }
  const auto types = row.Get<std::vector<int32_t>>("abort_types");
  const auto percentages = row.Get<std::vector<std::string>>("abort_percentages");
  const auto minimums = row.Get<std::vector<int64_t>>("abort_minimums");
  FLEETCAST_CHECK(types.size() == percentages.size() && types.size() == minimums.size());
  for (size_t i = 0; i < types.size(); ++i) {
    policy.abort_criteria.push_back({static_cast<FailureType>(types[i]), Number(percentages[i]), minimums[i]});
  }
  return policy;
}

RetryPolicy ReadRetry(const Row& row) {
  RetryPolicy policy;
  policy.idempotent = row.Get<bool>("retry_idempotent");
  policy.backoff_min = Micros(row, "backoff_min_us");
  policy.backoff_max = Micros(row, "backoff_max_us");
  const auto types = row.Get<std::vector<int32_t>>("retry_types");
  const auto numbers = row.Get<std::vector<int32_t>>("retry_numbers");
  FLEETCAST_CHECK(types.size() == numbers.size());
  for (size_t i = 0; i < types.size(); ++i) {
    policy.criteria.push_back({static_cast<FailureType>(types[i]), numbers[i]});
  }
  return policy;
}

std::optional<RetriedTargets> ReadRetried(const Row& row) {
  auto job_id = row.Get<std::optional<std::string>>("retried_job_id");
  if (!job_id.has_value()) return std::nullopt;
  RetriedTargets retried;
  retried.job_id = *std::move(job_id);
  for (const int32_t state : row.Get<std::vector<int32_t>>("retried_states")) {
    retried.states.insert(static_cast<ExecutionState>(state));
  }
  retried.device_errors = row.Get<bool>("retried_device_errors");
  return retried;
}

}  // namespace fleetcast::job_store
