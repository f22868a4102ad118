#include "services/job_api/rollout_proto.h"

#include <algorithm>

#include "services/job_api/proto_time.h"

namespace fleetcast::job_api {
namespace {

// Numbers that no enum value has become 0: a cast to 16 bits could make a valid one of them.
FailureType FromProto(jobs::v1::FailureType type) {
  return jobs::v1::FailureType_IsValid(type) ? static_cast<FailureType>(type) : FailureType{};
}

ExponentialRate FromProto(const jobs::v1::ExponentialRate& message) {
  return {.base_rate_per_minute = message.base_rate_per_minute(),
          .increment_factor = message.increment_factor(),
          .notified_step = message.number_of_notified_devices(),
          .succeeded_step = message.number_of_succeeded_devices()};
}

void ToProto(const ExponentialRate& ramp, jobs::v1::ExponentialRate* out) {
  out->set_base_rate_per_minute(ramp.base_rate_per_minute);
  out->set_increment_factor(ramp.increment_factor);
  if (ramp.notified_step > 0) out->set_number_of_notified_devices(ramp.notified_step);
  if (ramp.succeeded_step > 0) out->set_number_of_succeeded_devices(ramp.succeeded_step);
}

}  // namespace

RolloutPolicy FromProto(const jobs::v1::RolloutPolicy& message) {
  RolloutPolicy policy;
  policy.maximum_per_minute = message.maximum_per_minute();
  if (message.has_exponential_rate()) policy.exponential_rate = FromProto(message.exponential_rate());
  policy.in_flight_max = message.in_flight_max();
  for (const jobs::v1::AbortCriterion& criterion : message.abort_criteria()) {
    const int64_t least = criterion.min_number_of_executed_devices();
    policy.abort_criteria.push_back({.failure_type = FromProto(criterion.failure_type()),
                                     .threshold_percentage = criterion.threshold_percentage(),
                                     .min_number_of_executed_devices = least == 0 ? 1 : least});
  }
  return policy;
}

RetryPolicy FromProto(const jobs::v1::RetryPolicy& message) {
  RetryPolicy policy;
  policy.idempotent = message.idempotent();
  for (const jobs::v1::RetryCriterion& criterion : message.criteria()) {
    policy.criteria.push_back({FromProto(criterion.failure_type()), criterion.number_of_retries()});
  }
  if (message.has_backoff_min()) policy.backoff_min = FromProto(message.backoff_min());
  policy.backoff_max =
      message.has_backoff_max() ? FromProto(message.backoff_max()) : std::max(kBackoffMaxDefault, policy.backoff_min);
  return policy;
}

void ToProto(const RolloutPolicy& policy, jobs::v1::RolloutPolicy* out) {
  out->set_maximum_per_minute(policy.maximum_per_minute);
  if (policy.exponential_rate.has_value()) ToProto(*policy.exponential_rate, out->mutable_exponential_rate());
  out->set_in_flight_max(policy.in_flight_max);
  for (const AbortCriterion& criterion : policy.abort_criteria) {
    jobs::v1::AbortCriterion* message = out->add_abort_criteria();
    message->set_failure_type(static_cast<jobs::v1::FailureType>(criterion.failure_type));
    message->set_threshold_percentage(criterion.threshold_percentage);
    message->set_min_number_of_executed_devices(criterion.min_number_of_executed_devices);
  }
}

void ToProto(const RetryPolicy& policy, jobs::v1::RetryPolicy* out) {
  out->set_idempotent(policy.idempotent);
  for (const RetryCriterion& criterion : policy.criteria) {
    jobs::v1::RetryCriterion* message = out->add_criteria();
    message->set_failure_type(static_cast<jobs::v1::FailureType>(criterion.failure_type));
    message->set_number_of_retries(criterion.number_of_retries);
  }
  ToProto(policy.backoff_min, out->mutable_backoff_min());
  ToProto(policy.backoff_max, out->mutable_backoff_max());
}

}  // namespace fleetcast::job_api
