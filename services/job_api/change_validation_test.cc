#include "services/job_api/change_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/rpc/status.h"

namespace fleetcast::job_api {
namespace {

using ::testing::ElementsAre;

jobs::v1::UpdateJobRequest Update(const std::vector<std::string>& paths) {
  jobs::v1::UpdateJobRequest request;
  request.mutable_job()->set_id("j");
  request.mutable_job()->mutable_rollout()->set_maximum_per_minute(600);
  request.mutable_job()->set_priority(7);
  for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
  return request;
}

jobs::v1::RetryJobRequest RetryOf(const std::vector<int>& states) {
  jobs::v1::RetryJobRequest request;
  request.set_job_id("old");
  request.set_new_job_id("new");
  for (const int state : states) request.add_states(static_cast<jobs::v1::Execution::State>(state));
  return request;
}

std::vector<std::string> FieldsOf(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const rpc::FieldViolation& violation : rpc::GetFieldViolations(status)) fields.push_back(violation.field);
  return fields;
}

TEST(UpdateJobTest, ReadsOnlyWhatTheMaskNames) {
  const auto rollout = ValidateUpdate(Update({"rollout"}));
  ASSERT_TRUE(rollout.ok()) << rollout.status();
  ASSERT_TRUE(rollout->rollout.has_value());
  EXPECT_EQ(rollout->rollout->maximum_per_minute, 600);
  EXPECT_FALSE(rollout->priority.has_value());
  EXPECT_FALSE(rollout->if_version.has_value());
  const auto priority = ValidateUpdate(Update({"priority"}));
  ASSERT_TRUE(priority.ok()) << priority.status();
  EXPECT_FALSE(priority->rollout.has_value());
  EXPECT_EQ(priority->priority, 7);
}

TEST(UpdateJobTest, WhatIsMaskedAndUnsetGoesBackToItsDefault) {
  jobs::v1::UpdateJobRequest request = Update({"priority", "rollout"});
  request.mutable_job()->clear_rollout();
  request.mutable_job()->clear_priority();
  const auto change = ValidateUpdate(request);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->rollout, RolloutPolicy());
  EXPECT_EQ(change->priority, kPriorityDefault);
}

TEST(UpdateJobTest, RefusesMasksThatAreEmptyOrNameOtherFields) {
  for (const std::vector<std::string>& paths :
       {std::vector<std::string>{}, {"condition"}, {"rollout", "retry"}, {"rollout.in_flight_max"}, {""}, {"*"}}) {
    const absl::Status status = ValidateUpdate(Update(paths)).status();
    EXPECT_EQ(GetReason(status), "INVALID_VALUE") << status;
    EXPECT_THAT(FieldsOf(status), ElementsAre("update_mask"));
  }
}

TEST(UpdateJobTest, NamesWhatIsOutOfBounds) {
  jobs::v1::UpdateJobRequest request = Update({"rollout", "priority"});
  request.mutable_job()->mutable_rollout()->set_in_flight_max(kInFlightMax + 1);
  request.mutable_job()->set_priority(10);
  const absl::Status status = ValidateUpdate(request).status();
  EXPECT_EQ(GetReason(status), "INVALID_ROLLOUT");
  EXPECT_THAT(FieldsOf(status), ElementsAre("job.rollout.in_flight_max", "job.priority"));
}

TEST(UpdateJobTest, AnEtagBecomesTheVersionThatTheJobMustHave) {
  jobs::v1::UpdateJobRequest request = Update({"rollout"});
  request.mutable_job()->set_etag("12");
  EXPECT_EQ(ValidateUpdate(request)->if_version, 12);
  for (const char* foreign : {"\"12\"", "-1", "x", "99999999999999999999"}) {
    request.mutable_job()->set_etag(foreign);
    EXPECT_LT(ValidateUpdate(request)->if_version.value(), 0) << foreign;  // No job has it.
  }
}

TEST(RetryJobTest, WithoutStatesTakesAllThatDidNotSucceed) {
  const auto retried = ValidateRetryJob(RetryOf({}));
  ASSERT_TRUE(retried.ok()) << retried.status();
  EXPECT_EQ(retried->job_id, "old");
  EXPECT_THAT(retried->states,
              ElementsAre(ExecutionState::kFailed, ExecutionState::kTimedOut, ExecutionState::kCanceled));
  EXPECT_FALSE(retried->device_errors);
}

TEST(RetryJobTest, TakesTheStatesThatAreNamed) {
  jobs::v1::RetryJobRequest request = RetryOf({jobs::v1::Execution::STATE_TIMED_OUT});
  request.set_device_errors(true);
  const auto retried = ValidateRetryJob(request);
  ASSERT_TRUE(retried.ok()) << retried.status();
  EXPECT_THAT(retried->states, ElementsAre(ExecutionState::kTimedOut));
  EXPECT_TRUE(retried->device_errors);
}

TEST(RetryJobTest, RefusesStatesThatAreNotTerminal) {
  for (const int state : {0, 1, 2, 7, 65536 + 4, -1}) {
    const absl::Status status = ValidateRetryJob(RetryOf({state})).status();
    EXPECT_EQ(GetReason(status), "INVALID_VALUE") << state;
    EXPECT_THAT(FieldsOf(status), ElementsAre("states"));
  }
}

TEST(RetryJobTest, NamesEveryWrongField) {
  jobs::v1::RetryJobRequest request = RetryOf({1});
  request.set_new_job_id("no spaces");
  request.set_request_id(std::string(65, 'x'));
  const absl::Status status = ValidateRetryJob(request).status();
  EXPECT_EQ(GetReason(status), "INVALID_JOB_ID");
  EXPECT_THAT(FieldsOf(status), ElementsAre("new_job_id", "states", "request_id"));
}

}  // namespace
}  // namespace fleetcast::job_api
