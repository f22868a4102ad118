#include "services/rest_gateway/routes/execution_wire.h"
#include "services/rest_gateway/routes/execution_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::rest_gateway {
namespace {

using jobs::v1::Execution;
using ::testing::HasSubstr;
using ::testing::Not;

Execution MakeExecution(Execution::State state, jobs::v1::ActionKind kind) {
  Execution execution;
  execution.set_job_id("j");
  execution.set_device_id("d");
  execution.set_state(state);
  execution.set_action_kind(kind);
  execution.mutable_create_time()->set_seconds(1'800'000'000);
  return execution;
}

TEST(PrintExecutionTest, MethodThatSucceeded) {
  Execution execution = MakeExecution(Execution::STATE_SUCCEEDED, jobs::v1::ACTION_KIND_INVOKE_METHOD);
  execution.set_device_status(200);
  execution.set_payload(R"({"locked":true})");
  execution.mutable_start_time()->set_seconds(1'800'000'001);
  execution.mutable_end_time()->set_seconds(1'800'000'002);
  execution.mutable_update_time()->set_seconds(1'800'000'003);
  EXPECT_EQ(
      PrintExecution(execution),
      R"({"deviceId":"d","jobId":"j","jobType":"scheduleDeviceMethod","status":"completed",)"
      R"("startTimeUtc":"2027-01-15T08:00:01.0000000Z","endTimeUtc":"2027-01-15T08:00:02.0000000Z",)"
      R"("createdDateTimeUtc":"2027-01-15T08:00:00.0000000Z","lastUpdatedDateTimeUtc":"2027-01-15T08:00:03.0000000Z",)"
      R"("outcome":{"deviceMethodResponse":{"status":200,"payload":{"locked":true}}}})");
}

TEST(PrintExecutionTest, TimesThatAreNotKnownAreLeftOut) {
  const std::string row = PrintExecution(MakeExecution(Execution::STATE_PENDING, jobs::v1::ACTION_KIND_UPDATE_TWIN));
  EXPECT_THAT(row, HasSubstr(R"("status":"pending")"));
  EXPECT_THAT(row, Not(HasSubstr("startTimeUtc")));
  EXPECT_THAT(row, Not(HasSubstr("outcome")));
  EXPECT_THAT(row, Not(HasSubstr("error")));
}

TEST(PrintExecutionTest, WhatTimedOutHasFailed) {
  Execution execution = MakeExecution(Execution::STATE_TIMED_OUT, jobs::v1::ACTION_KIND_INVOKE_METHOD);
  execution.mutable_error()->set_code("504101");
  execution.mutable_error()->set_description("No answer in time.");
  const std::string row = PrintExecution(execution);
  EXPECT_THAT(row, HasSubstr(R"("status":"failed")"));
  EXPECT_THAT(row, HasSubstr(R"("error":{"code":"504101","description":"No answer in time."})"));
}

TEST(PrintExecutionTest, OneLInCanceledAndNoResponseOfTwinJobs) {
  EXPECT_THAT(PrintExecution(MakeExecution(Execution::STATE_CANCELED, jobs::v1::ACTION_KIND_UPDATE_TWIN)),
              HasSubstr(R"("status":"canceled")"));
  EXPECT_THAT(PrintExecution(MakeExecution(Execution::STATE_SUCCEEDED, jobs::v1::ACTION_KIND_UPDATE_TWIN)),
              HasSubstr(R"("outcome":{"deviceMethodResponse":null})"));
}

TEST(PlanExecutionsTest, TakesEqualitiesAndLeavesTheRest) {
  const absl::StatusOr<query::Query> query = query::ParseQuery(
      "SELECT TOP 5 * FROM devices.jobs WHERE devices.jobs.deviceId = 'd' AND devices.jobs.jobType = "
      "'scheduleUpdateTwin' "
      "AND devices.jobs.createdDateTimeUtc > '2026-03-01'");
  ASSERT_TRUE(query.ok()) << query.status();
  const ExecutionPlan plan = PlanExecutions(*query);
  EXPECT_EQ(plan.request.device_id(), "d");
  EXPECT_EQ(plan.request.action_kind(), jobs::v1::ACTION_KIND_UPDATE_TWIN);
  EXPECT_TRUE(plan.residual.has_value());
  EXPECT_FALSE(plan.reads_all_jobs());
  EXPECT_FALSE(plan.is_empty);
}

}  // namespace
}  // namespace fleetcast::rest_gateway
