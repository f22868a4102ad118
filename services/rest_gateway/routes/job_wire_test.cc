#include "services/rest_gateway/routes/job_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "services/rest_gateway/azure_errors.h"

namespace fleetcast::rest_gateway {
namespace {

using jobs::v1::Job;

// `body` with single quotes for double ones.
absl::StatusOr<Job> Parse(std::string body) {
  for (char& c : body) {
    if (c == '\'') c = '"';
  }
  const absl::StatusOr<json::Value> value = json::Parse(body);
  EXPECT_TRUE(value.ok()) << value.status();
  return ParseJob("j", *value);
}

std::string TwinJob(std::string_view patch) {
  return absl::StrCat("{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':", std::string(patch), "}");
}

std::string WithTimes(std::string_view times) {
  return absl::StrCat("{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{'tags':{}},", std::string(times),
                      "}");
}

TEST(ParseJobTest, TypesHaveAliasesAndNoCase) {
  const std::string rest = R"(','queryCondition':'*','cloudToDeviceMethod':{'methodName':'m'},'updateTwin':null})";
  for (const char* type :
       {"scheduleDeviceMethod", "ScheduleDeviceMethod", "scheduleDirectRequest", "cloudToDeviceMethod"}) {
    const absl::StatusOr<Job> job = Parse(absl::StrCat("{'type':'", type, rest));
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(job->invoke_method().method(), "m");
  }
  EXPECT_EQ(GetReason(Parse(absl::StrCat("{'type':'firmwareUpdate", rest)).status()), kWrongType);
}

TEST(ParseJobTest, MembersMayBeginWithAnUpperCaseLetter) {
  EXPECT_TRUE(
      Parse("{'Type':'scheduleDeviceMethod','QueryCondition':'*','CloudToDeviceMethod':{'MethodName':'m'}}").ok());
}

TEST(ParseJobTest, DeviceIdsBecomeACondition) {
  const std::string head = "{'type':'scheduleUpdateTwin','updateTwin':{'tags':{}},'queryCondition':null,'deviceIds':";
  EXPECT_EQ(Parse(head + "['a','b$']}")->condition(), R"(deviceId IN ["a","b$"])");
  EXPECT_EQ(Parse(head + "'a'}")->condition(), R"(deviceId IN ["a"])");
  EXPECT_EQ(GetReason(Parse(head + "[]}").status()), kArgumentInvalid);
  EXPECT_EQ(GetReason(Parse(head + "[1]}").status()), kWrongType);
  EXPECT_EQ(GetReason(Parse(head + "null}").status()), kArgumentNull);
}

TEST(ParseJobTest, TwinPatchesKeepTheirText) {
  const absl::StatusOr<Job> job =
      Parse(TwinJob("{'etag':'*','deviceId':null,'version':null,'tags':{'a':1.0,'b':null},'properties':{'desired':{'c':"
                    "[]},'reported':{}}}"));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->update_twin().tags_patch(), R"({"a":1.0,"b":null})");
  EXPECT_EQ(job->update_twin().desired_patch(), R"({"c":[]})");
  EXPECT_EQ(job->update_twin().etag(), "*");
  EXPECT_EQ(job->status_message(), "");
}

TEST(ParseJobTest, DesiredAtTheRootIsTakenWithARemark) {
  const absl::StatusOr<Job> job = Parse(TwinJob("{'etag':'','desired':{'a':1}}"));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->update_twin().desired_patch(), R"({"a":1})");
  EXPECT_EQ(job->update_twin().etag(), "*");
  EXPECT_NE(job->status_message(), "");
  EXPECT_EQ(GetReason(Parse(TwinJob("{'properties':{},'desired':{'a':1}}")).status()), kArgumentNull);
}

TEST(ParseJobTest, BothActionsAreRefused) {
  EXPECT_EQ(GetReason(Parse("{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{'tags':{}},"
                            "'cloudToDeviceMethod':{'methodName':'m'}}")
                          .status()),
            kArgumentInvalid);
}

TEST(ParseJobTest, TimesAreLenient) {
  EXPECT_EQ(Parse(WithTimes("'startTime':'2027-01-15T08:00:00.1234567Z'"))->start_time().seconds(), 1'800'000'000);
  EXPECT_EQ(Parse(WithTimes("'startTime':'2027-01-15T09:00:00+01:00'"))->start_time().seconds(), 1'800'000'000);
  EXPECT_EQ(Parse(WithTimes("'startTime':'2027-01-15T08:00:00'"))->start_time().seconds(), 1'800'000'000);
  EXPECT_FALSE(Parse(WithTimes("'startTime':null,'maxExecutionTimeInSeconds':null"))->has_start_time());
  EXPECT_TRUE(Parse(WithTimes("'startTime':'0001-01-01T00:00:00'")).ok());
  EXPECT_TRUE(Parse(WithTimes("'startTime':'9999-12-31T23:59:59Z'")).ok());
  for (const char* bad : {"tomorrow", "", "infinite-future", "2027-13-01T00:00:00Z", "2027-01-15"}) {
    EXPECT_EQ(GetReason(Parse(WithTimes(absl::StrCat("'startTime':'", bad, "'"))).status()), kArgumentInvalid) << bad;
  }
  EXPECT_EQ(GetReason(Parse(WithTimes("'startTime':7")).status()), kWrongType);
}

TEST(ParseJobTest, ExecutionTimeZeroIsTheDefault) {
  EXPECT_FALSE(Parse(WithTimes("'maxExecutionTimeInSeconds':0"))->has_execution_timeout());
  EXPECT_EQ(Parse(WithTimes("'maxExecutionTimeInSeconds':300"))->execution_timeout().seconds(), 300);
  EXPECT_EQ(GetReason(Parse(WithTimes("'maxExecutionTimeInSeconds':1.5")).status()), kWrongType);
}

TEST(PrintJobTest, CountsAddUp) {
  Job job;
  job.mutable_update_twin()->set_tags_patch("{}");
  jobs::v1::JobStatistics& statistics = *job.mutable_statistics();
  statistics.set_total(21);
  statistics.set_pending(1);
  statistics.set_running(2);
  statistics.set_succeeded(3);
  statistics.set_failed(4);
  statistics.set_timed_out(5);
  statistics.set_canceled(6);
  EXPECT_THAT(PrintJob(job), ::testing::HasSubstr(R"("deviceJobStatistics":{"deviceCount":21,"failedCount":15,)"
                                                  R"("succeededCount":3,"runningCount":2,"pendingCount":1})"));
}

TEST(PrintJobTest, FieldsThatIotHubDoesNotKnowLeaveTheWireAsItIs) {
  Job job;
  job.set_id("j");
  job.set_condition("*");
  job.mutable_invoke_method()->set_method("m");
  job.mutable_create_time()->set_seconds(1'800'000'000);
  job.mutable_statistics()->set_total(2);
  job.mutable_statistics()->set_succeeded(2);
  for (const Job::State state :
       {Job::STATE_SCHEDULED, Job::STATE_RUNNING, Job::STATE_CANCELLING, Job::STATE_COMPLETED, Job::STATE_CANCELLED}) {
    job.set_state(state);
    Job full = job;
    full.mutable_invoke_method()->set_offline_policy(jobs::v1::InvokeMethodAction::OFFLINE_POLICY_WAIT);
    full.mutable_rollout()->set_maximum_per_minute(600);
    full.mutable_retry()->add_criteria()->set_number_of_retries(1);
    full.set_priority(9);
    full.mutable_pause_time()->set_seconds(1'800'000'001);
    full.set_retried_job_id("old");
    full.add_retried_states(jobs::v1::Execution::STATE_FAILED);
    full.mutable_statistics()->set_device_errors(1);
    full.set_failure_reason("Aborted: 1 of 2");  // Of a job that a criterion stopped; the wire has it for failed ones.
    EXPECT_EQ(PrintJob(full), PrintJob(job)) << state;
  }
}

TEST(PrintJobTest, FinishedTwinJob) {
  Job job;
  job.set_id("tag");
  job.set_condition("*");
  job.mutable_update_twin()->set_desired_patch(R"({"a":1.0})");
  job.set_state(Job::STATE_FAILED);
  job.set_failure_reason("Line 1:3 …");
  job.mutable_create_time()->set_seconds(1'800'000'000);
  job.mutable_start_time()->set_seconds(1'800'000'001);
  job.mutable_actual_start_time()->set_seconds(1'800'000'002);
  job.mutable_end_time()->set_seconds(1'800'000'003);
  job.mutable_execution_timeout()->set_seconds(300);
  EXPECT_EQ(PrintJob(job),
            R"({"jobId":"tag","createdTime":"2027-01-15T08:00:00.0000000Z","startTime":"2027-01-15T08:00:01.0000000Z",)"
            R"("endTime":"2027-01-15T08:00:03.0000000Z","maxExecutionTimeInSeconds":300,"type":"scheduleUpdateTwin",)"
            R"("updateTwin":{"deviceId":null,"etag":"*","properties":{"desired":{"a":1.0}}},"queryCondition":"*",)"
            R"("status":"failed","failureReason":"Line 1:3 …"})");
}

TEST(JobFiltersTest, KnowTheWordsOfAllClients) {
  EXPECT_EQ(ParseJobFilters("ScheduleUpdateTwin", "")->kind, jobs::v1::ACTION_KIND_UPDATE_TWIN);
  EXPECT_EQ(ParseJobFilters("", "Pending")->states, std::vector<Job::State>{Job::STATE_QUEUED});
  EXPECT_TRUE(ParseJobFilters("exportDevices", "")->is_empty);
  EXPECT_TRUE(ParseJobFilters("", "enqueued")->is_empty);
  EXPECT_FALSE(ParseJobFilters("", "")->is_empty);
  EXPECT_FALSE(ParseJobFilters("", "canceled").ok());
}

}  // namespace
}  // namespace fleetcast::rest_gateway
