#include "tools/fleetcast/describe_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace fleetcast::cli {
namespace {

using jobs::v1::Job;

Job FullJob() {
  Job job;
  job.set_id("lock-1");
  job.set_condition("*");
  job.mutable_invoke_method()->set_method("lockDoor");
  job.mutable_invoke_method()->set_offline_policy(jobs::v1::InvokeMethodAction::OFFLINE_POLICY_WAIT);
  job.set_state(Job::STATE_RUNNING);
  job.mutable_rollout()->set_maximum_per_minute(600);
  job.mutable_rollout()->mutable_exponential_rate()->set_base_rate_per_minute(50);
  job.mutable_rollout()->mutable_exponential_rate()->set_increment_factor(1.1);
  job.mutable_rollout()->mutable_exponential_rate()->set_number_of_succeeded_devices(10);
  job.mutable_rollout()->set_in_flight_max(20);
  auto* abort = job.mutable_rollout()->add_abort_criteria();
  abort->set_failure_type(jobs::v1::FAILURE_TYPE_TIMED_OUT);
  abort->set_threshold_percentage(2.5);
  abort->set_min_number_of_executed_devices(100);
  job.mutable_retry()->add_criteria()->set_failure_type(jobs::v1::FAILURE_TYPE_NOT_ONLINE);
  job.mutable_retry()->mutable_criteria(0)->set_number_of_retries(3);
  job.mutable_retry()->mutable_backoff_min()->set_seconds(1);
  job.mutable_retry()->mutable_backoff_max()->set_seconds(300);
  job.set_priority(9);
  job.mutable_pause_time()->set_seconds(1'800'000'000);
  job.mutable_statistics()->set_total(10);
  job.mutable_statistics()->set_succeeded(4);
  job.mutable_statistics()->set_device_errors(3);
  job.set_retried_job_id("lock-0");
  job.add_retried_states(jobs::v1::Execution::STATE_TIMED_OUT);
  job.set_failure_reason("Aborted: 2 of 20");
  job.set_etag("7");
  return job;
}

std::string Cell(const Job& job, const std::string& name) {
  const auto names = JobFieldNames();
  const auto at = std::find(names.begin(), names.end(), name);
  EXPECT_NE(at, names.end()) << name;
  return JobDetails(job).cells.at(static_cast<size_t>(at - names.begin()));
}

TEST(DescribeJobTest, JsonIsComplete) {
  EXPECT_EQ(json::Print(JobRecord(FullJob()).json),
            R"({"id":"lock-1","state":"running","paused":true,"condition":"*",)"
            R"("invokeMethod":{"method":"lockDoor","payload":null,"waitForConnection":true},"priority":9,)"
            R"("rollout":{"maximumPerMinute":600,"exponentialRate":{"baseRatePerMinute":50,"incrementFactor":1.1,)"
            R"("numberOfSucceededDevices":10},"inFlightMax":20,"abortCriteria":[{"failureType":"timed_out",)"
            R"("thresholdPercentage":2.5,"minNumberOfExecutedDevices":100}]},)"
            R"("retry":{"idempotent":false,"criteria":[{"failureType":"not_online","numberOfRetries":3}],)"
            R"("backoffMin":"1s","backoffMax":"5m"},)"
            R"("statistics":{"total":10,"pending":0,"running":0,"succeeded":4,"failed":0,"timedOut":0,"canceled":0,)"
            R"("deviceErrors":3},"retriedJobId":"lock-0","retriedStates":["timed_out"],)"
            R"("failureReason":"Aborted: 2 of 20","etag":"7","pauseTime":"2027-01-15T08:00:00.000Z"})");
}

TEST(DescribeJobTest, ShowsPacePausePriorityErrorsAndWhy) {
  const Job job = FullJob();
  EXPECT_EQ(Cell(job, "state"), "running (paused)");
  EXPECT_EQ(Cell(job, "pace"), "ramp 50/min x 1.1 every 10 succeeded, at most 600/min, 20 in flight");
  EXPECT_EQ(Cell(job, "stops at"), "2.5% timed_out of at least 100");
  EXPECT_EQ(Cell(job, "retries"), "not_online 3 (pauses of 1s to 5m)");
  EXPECT_EQ(Cell(job, "priority"), "9");
  EXPECT_EQ(Cell(job, "device errors"), "3");
  EXPECT_EQ(Cell(job, "why"), "Aborted: 2 of 20");
  EXPECT_EQ(Cell(job, "targets"), "timed_out of lock-0");
  EXPECT_EQ(Cell(job, "when offline"), "waits for the connection");
}

TEST(DescribeJobTest, AListHasACellForEachHeading) {
  EXPECT_EQ(JobRecord(FullJob()).cells.size(), JobHeadings().size());
  EXPECT_EQ(JobDetails(FullJob()).cells.size(), JobFieldNames().size());
}

TEST(DescribeJobTest, AnEndedJobIsNotPausedAnyMore) {
  Job job = FullJob();
  job.set_state(Job::STATE_CANCELLED);
  EXPECT_EQ(StateText(job), "cancelled");
}

TEST(DescribeJobTest, ADryRunSaysHowManyMatchAndAreConnected) {
  jobs::v1::CreateJobResponse response;
  response.set_matching_devices(1234);
  response.set_connected_devices(1100);
  response.add_sample_device_ids("d1");
  response.add_sample_device_ids("d2");
  EXPECT_EQ(DryRunText(response), "1,234 devices match, 1,100 connected\nfor instance d1 d2\n");
  EXPECT_EQ(json::Print(DryRunRecord(response).json),
            R"({"matchingDevices":1234,"connectedDevices":1100,"sampleDeviceIds":["d1","d2"]})");
  EXPECT_EQ(DryRunText({}), "0 devices match, 0 connected\n");
}

}  // namespace
}  // namespace fleetcast::cli
