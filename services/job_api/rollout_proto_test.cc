#include "services/job_api/rollout_proto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/job_api/proto_time.h"

namespace fleetcast::job_api {
namespace {

RolloutPolicy FullRollout() {
  RolloutPolicy policy;
  policy.maximum_per_minute = 600;
  policy.exponential_rate = ExponentialRate{50, 1.5, 0, 1000};
  policy.in_flight_max = 200;
  policy.abort_criteria = {{FailureType::kAll, 12.5, 100}, {FailureType::kDeviceError, 1, 1}};
  return policy;
}

RetryPolicy FullRetry() {
  return {.idempotent = true,
          .criteria = {{FailureType::kTimedOut, 2}, {FailureType::kNotOnline, 10}},
          .backoff_min = absl::Milliseconds(1500),
          .backoff_max = absl::Minutes(10)};
}

TEST(RolloutProtoTest, ARolloutSurvivesThereAndBack) {
  jobs::v1::RolloutPolicy message;
  ToProto(FullRollout(), &message);
  EXPECT_EQ(FromProto(message), FullRollout());
  RolloutPolicy by_notified = FullRollout();
  by_notified.exponential_rate = ExponentialRate{1, 5, 7, 0};
  message.Clear();
  ToProto(by_notified, &message);
  EXPECT_EQ(FromProto(message), by_notified);
}

TEST(RolloutProtoTest, ARetryPolicySurvivesThereAndBack) {
  jobs::v1::RetryPolicy message;
  ToProto(FullRetry(), &message);
  EXPECT_EQ(FromProto(message), FullRetry());
}

TEST(RolloutProtoTest, WhatIsUnsetHasItsDefault) {
  EXPECT_EQ(FromProto(jobs::v1::RolloutPolicy()), RolloutPolicy());
  EXPECT_EQ(FromProto(jobs::v1::RetryPolicy()), RetryPolicy());
  jobs::v1::RolloutPolicy message;
  message.add_abort_criteria();
  EXPECT_EQ(FromProto(message).abort_criteria.at(0).min_number_of_executed_devices, 1);
}

TEST(RolloutProtoTest, TheLongestPauseIsNeverShorterThanTheFirst) {
  jobs::v1::RetryPolicy message;
  message.mutable_backoff_min()->set_seconds(600);
  EXPECT_EQ(FromProto(message).backoff_max, absl::Minutes(10));
}

TEST(RolloutProtoTest, AnUnknownFailureTypeNeverBecomesAKnownOne) {
  for (const int number : {-1, 6, 65536 + 1, INT32_MAX}) {
    jobs::v1::RolloutPolicy rollout;
    rollout.add_abort_criteria()->set_failure_type(static_cast<jobs::v1::FailureType>(number));
    EXPECT_EQ(FromProto(rollout).abort_criteria.at(0).failure_type, FailureType{}) << number;
    jobs::v1::RetryPolicy retry;
    retry.add_criteria()->set_failure_type(static_cast<jobs::v1::FailureType>(number));
    EXPECT_EQ(FromProto(retry).criteria.at(0).failure_type, FailureType{}) << number;
  }
}

}  // namespace
}  // namespace fleetcast::job_api
