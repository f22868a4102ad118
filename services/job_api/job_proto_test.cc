#include "services/job_api/job_proto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/job_api/proto_time.h"

namespace fleetcast::job_api {
namespace {

using ::testing::ElementsAre;

job_store::Job RunningJob() {
  job_store::Job job;
  job.spec.id = "j";
  job.spec.condition = "*";
  job.spec.action = job_store::MethodAction{"lockDoor", "null", absl::Seconds(30), absl::ZeroDuration()};
  job.spec.execution_timeout = absl::Hours(1);
  job.state = JobState::kRunning;
  job.create_time = absl::FromUnixSeconds(1'800'000'000);
  job.version = 3;
  return job;
}

jobs::v1::Job Message(const job_store::Job& job) {
  jobs::v1::Job message;
  ToProto(job, &message);
  return message;
}

TEST(JobProtoTest, AJobThatAsksForNothingHasNoPolicies) {
  const jobs::v1::Job message = Message(RunningJob());
  EXPECT_FALSE(message.has_rollout());
  EXPECT_FALSE(message.has_retry());
  EXPECT_FALSE(message.has_pause_time());
  EXPECT_EQ(message.priority(), 5);
  EXPECT_EQ(message.retried_job_id(), "");
  EXPECT_EQ(message.invoke_method().offline_policy(), jobs::v1::InvokeMethodAction::OFFLINE_POLICY_FAIL);
}

TEST(JobProtoTest, ShowsPacePauseRetriesAndOrigin) {
  job_store::Job job = RunningJob();
  std::get<job_store::MethodAction>(job.spec.action).wait_for_connection = true;
  job.spec.rollout.maximum_per_minute = 600;
  job.spec.retry.criteria = {{FailureType::kNotOnline, 3}};
  job.spec.priority = 9;
  job.spec.retried = {"old", {ExecutionState::kFailed, ExecutionState::kTimedOut}, false};
  job.pause_time = absl::FromUnixSeconds(1'800'000'060);
  job.counts.total = job.counts.succeeded = 10;
  job.counts.device_errors = 4;
  const jobs::v1::Job message = Message(job);
  EXPECT_EQ(message.rollout().maximum_per_minute(), 600);
  EXPECT_EQ(message.retry().criteria(0).number_of_retries(), 3);
  EXPECT_EQ(message.retry().backoff_max().seconds(), 300);
  EXPECT_EQ(message.priority(), 9);
  EXPECT_EQ(message.retried_job_id(), "old");
  EXPECT_THAT(message.retried_states(),
              ElementsAre(jobs::v1::Execution::STATE_FAILED, jobs::v1::Execution::STATE_TIMED_OUT));
  EXPECT_EQ(message.pause_time().seconds(), 1'800'000'060);
  EXPECT_EQ(message.state(), jobs::v1::Job::STATE_RUNNING);
  EXPECT_EQ(message.statistics().device_errors(), 4);
  EXPECT_EQ(message.invoke_method().offline_policy(), jobs::v1::InvokeMethodAction::OFFLINE_POLICY_WAIT);
}

}  // namespace
}  // namespace fleetcast::job_api
