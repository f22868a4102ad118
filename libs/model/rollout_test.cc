#include "libs/model/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace fleetcast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;

auto IsAt(const std::string& field) { return ::testing::Field("field", &PolicyProblem::field, field); }

RolloutPolicy Limits(int32_t maximum_per_minute, int32_t in_flight_max) {
  RolloutPolicy policy;
  policy.maximum_per_minute = maximum_per_minute;
  policy.in_flight_max = in_flight_max;
  return policy;
}

RolloutPolicy Ramp(int32_t base, double factor, int64_t notified, int64_t succeeded = 0, int32_t maximum = 0) {
  RolloutPolicy policy = Limits(maximum, 0);
  policy.exponential_rate = ExponentialRate{base, factor, notified, succeeded};
  return policy;
}

RolloutPolicy Abort(FailureType type, double percentage, int64_t least) {
  RolloutPolicy policy;
  policy.abort_criteria = {{type, percentage, least}};
  return policy;
}

RetryPolicy Retry(bool idempotent, std::vector<RetryCriterion> criteria) {
  return {.idempotent = idempotent, .criteria = std::move(criteria)};
}

TEST(RolloutTest, AnEmptyPolicyIsValidAndLimitsNothing) {
  EXPECT_THAT(ValidateRollout({}), IsEmpty());
  EXPECT_FALSE(RolloutPolicy().is_limited());
  EXPECT_EQ(RatePerMinute({}, {}), std::nullopt);
  EXPECT_EQ(MetAbortCriterion({}, {.failed = 100}), std::nullopt);
}

TEST(RolloutTest, AnyLimitMakesAPolicyLimited) {
  EXPECT_TRUE(Limits(1, 0).is_limited());
  EXPECT_TRUE(Limits(0, 1).is_limited());
  EXPECT_TRUE(Ramp(1, 2, 10).is_limited());
  EXPECT_TRUE(Abort(FailureType::kAll, 10, 1).is_limited());
}

TEST(RolloutTest, RefusesValuesOutOfBounds) {
  EXPECT_THAT(ValidateRollout(Limits(-1, 0)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Limits(kRatePerMinuteMax + 1, 0)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Limits(0, -1)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Limits(0, kInFlightMax + 1)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Limits(kRatePerMinuteMax, kInFlightMax)), IsEmpty());
}

TEST(RolloutTest, RefusesRampsThatSayTooMuchOrTooLittle) {
  EXPECT_THAT(ValidateRollout(Ramp(50, 1.5, 100)), IsEmpty());
  EXPECT_THAT(ValidateRollout(Ramp(0, 1.5, 100)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Ramp(50, 1, 100)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Ramp(50, 5.1, 100)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Ramp(50, std::numeric_limits<double>::quiet_NaN(), 100)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Ramp(50, 1.5, 0)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Ramp(50, 1.5, 100, 100)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Ramp(50, 1.5, -1)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Ramp(50, 1.5, 100, 0, 49)), ElementsAre(IsAt("exponential_rate.base_rate_per_minute")));
}

TEST(RolloutTest, RefusesAbortCriteriaThatCanNeverBeRight) {
  EXPECT_THAT(ValidateRollout(Abort(FailureType::kAll, 100, 1)), IsEmpty());
  EXPECT_THAT(ValidateRollout(Abort(FailureType::kNotOnline, 10, 1)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Abort(static_cast<FailureType>(0), 10, 1)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Abort(FailureType::kAll, 0, 1)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Abort(FailureType::kAll, 100.1, 1)), Not(IsEmpty()));
  EXPECT_THAT(ValidateRollout(Abort(FailureType::kAll, 10, 0)), Not(IsEmpty()));
  RolloutPolicy many;
  many.abort_criteria.assign(kAbortCriteriaMax + 1, {FailureType::kAll, 10, 1});
  EXPECT_THAT(ValidateRollout(many), Not(IsEmpty()));
}

TEST(RolloutTest, NamesEveryFieldThatIsWrong) {
  RolloutPolicy policy = Ramp(0, 1, 0);
  policy.maximum_per_minute = -1;
  policy.in_flight_max = -1;
  policy.abort_criteria = {{FailureType::kAll, 10, 1}, {FailureType::kNotOnline, 0, 0}};
  EXPECT_THAT(ValidateRollout(policy),
              ElementsAre(IsAt("maximum_per_minute"), IsAt("exponential_rate.base_rate_per_minute"),
                          IsAt("exponential_rate.increment_factor"), IsAt("exponential_rate.rate_increase_criteria"),
                          IsAt("in_flight_max"), IsAt("abort_criteria[1].failure_type"),
                          IsAt("abort_criteria[1].threshold_percentage"),
                          IsAt("abort_criteria[1].min_number_of_executed_devices")));
}

TEST(RolloutTest, AConstantRateStaysTheSame) {
  EXPECT_THAT(RatePerMinute(Limits(600, 0), {.notified = 1'000'000}), Optional(600.0));
}

TEST(RolloutTest, ARampRisesWithEachStepUpToItsCeiling) {
  const RolloutPolicy policy = Ramp(50, 2, 1000, 0, 300);
  EXPECT_THAT(RatePerMinute(policy, {.notified = 999}), Optional(50.0));
  EXPECT_THAT(RatePerMinute(policy, {.notified = 1000}), Optional(100.0));
  EXPECT_THAT(RatePerMinute(policy, {.notified = 2999}), Optional(200.0));
  EXPECT_THAT(RatePerMinute(policy, {.notified = 3000}), Optional(300.0));
  EXPECT_THAT(RatePerMinute(policy, {.notified = 90'000'000}), Optional(300.0));
}

TEST(RolloutTest, ARampBySuccessesDoesNotRiseByFailures) {
  const RolloutPolicy policy = Ramp(10, 2, 0, 100);
  EXPECT_THAT(RatePerMinute(policy, {.notified = 500, .succeeded = 99}), Optional(10.0));
  EXPECT_THAT(RatePerMinute(policy, {.notified = 500, .succeeded = 100}), Optional(20.0));
}

TEST(RolloutTest, AnAbortCriterionIsMetAtItsThresholdAndNotBeforeItsSample) {
  const RolloutPolicy policy = Abort(FailureType::kFailed, 10, 20);
  EXPECT_EQ(MetAbortCriterion(policy, {.succeeded = 9, .failed = 10}), std::nullopt);
  EXPECT_EQ(MetAbortCriterion(policy, {.succeeded = 19, .failed = 1}), std::nullopt);
  EXPECT_THAT(MetAbortCriterion(policy, {.succeeded = 18, .failed = 2}), Optional(HasSubstr("2 of 20")));
}

TEST(RolloutTest, EachCriterionCountsItsOwnFailures) {
  const RolloutProgress progress = {.succeeded = 80, .failed = 4, .timed_out = 16, .device_errors = 40};
  EXPECT_EQ(MetAbortCriterion(Abort(FailureType::kFailed, 5, 1), progress), std::nullopt);
  EXPECT_NE(MetAbortCriterion(Abort(FailureType::kTimedOut, 16, 1), progress), std::nullopt);
  EXPECT_NE(MetAbortCriterion(Abort(FailureType::kDeviceError, 40, 1), progress), std::nullopt);
  EXPECT_NE(MetAbortCriterion(Abort(FailureType::kAll, 60, 1), progress), std::nullopt);
  EXPECT_EQ(MetAbortCriterion(Abort(FailureType::kAll, 61, 1), progress), std::nullopt);
}

TEST(RetryTest, OnlyProofOfNotSentMayBeRetriedWithoutTheOwnersWord) {
  EXPECT_THAT(ValidateRetry(Retry(false, {{FailureType::kNotOnline, 3}}), true), IsEmpty());
  EXPECT_THAT(ValidateRetry(Retry(false, {{FailureType::kFailed, 3}}), true), Not(IsEmpty()));
  EXPECT_THAT(ValidateRetry(Retry(false, {{FailureType::kAll, 3}}), true), Not(IsEmpty()));
  EXPECT_THAT(ValidateRetry(Retry(true, {{FailureType::kAll, 3}}), true), IsEmpty());
}

TEST(RetryTest, RefusesWhatMakesNoSense) {
  EXPECT_THAT(ValidateRetry({}, false), IsEmpty());
  EXPECT_THAT(ValidateRetry(Retry(true, {{FailureType::kAll, 3}}), false), Not(IsEmpty()));
  EXPECT_THAT(ValidateRetry(Retry(true, {{FailureType::kAll, 0}}), true), Not(IsEmpty()));
  EXPECT_THAT(ValidateRetry(Retry(true, {{FailureType::kAll, kRetriesMax + 1}}), true), Not(IsEmpty()));
  EXPECT_THAT(ValidateRetry(Retry(true, {{FailureType::kAll, 1}, {FailureType::kAll, 2}}), true), Not(IsEmpty()));
  RetryPolicy policy = Retry(true, {{FailureType::kAll, 1}});
  policy.backoff_max = absl::Milliseconds(500);
  EXPECT_THAT(ValidateRetry(policy, true), ElementsAre(IsAt("backoff_max")));
}

TEST(RetryTest, BoundsOfPausesHoldWithoutCriteriaToo) {
  RetryPolicy policy;
  policy.backoff_min = absl::Milliseconds(99);
  policy.backoff_max = absl::Hours(24) + absl::Nanoseconds(1);
  EXPECT_THAT(ValidateRetry(policy, true), ElementsAre(IsAt("backoff_min"), IsAt("backoff_max")));
}

TEST(RetryTest, TheMostSpecialCriterionDecides) {
  const RetryPolicy policy =
      Retry(true, {{FailureType::kAll, 1}, {FailureType::kFailed, 2}, {FailureType::kTimedOut, 3}});
  EXPECT_EQ(RetriesFor(policy, FailureType::kTimedOut), 3);
  EXPECT_EQ(RetriesFor(policy, FailureType::kNotOnline), 2);
  EXPECT_EQ(RetriesFor(policy, FailureType::kDeviceError), 1);
  EXPECT_EQ(RetriesFor({}, FailureType::kFailed), 0);
}

TEST(RetryTest, PausesDoubleUpToTheLongest) {
  RetryPolicy policy;
  policy.backoff_min = absl::Seconds(1);
  policy.backoff_max = absl::Seconds(5);
  EXPECT_EQ(BackoffCeiling(policy, 1), absl::Seconds(1));
  EXPECT_EQ(BackoffCeiling(policy, 3), absl::Seconds(4));
  EXPECT_EQ(BackoffCeiling(policy, 4), absl::Seconds(5));
  EXPECT_EQ(BackoffCeiling(policy, 1000), absl::Seconds(5));
}

}  // namespace
}  // namespace fleetcast
