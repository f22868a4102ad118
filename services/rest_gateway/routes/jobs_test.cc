#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/gateway_fixture.h"

namespace fleetcast::rest_gateway {
namespace {

using jobs::v1::Job;
using ::testing::ElementsAre;

constexpr char kMethodJob[] =
    R"({"type":"scheduleDeviceMethod","cloudToDeviceMethod":{"methodName":"lockDoor","payload":{"a":1.0},)"
    R"("responseTimeoutInSeconds":45},"queryCondition":"tags.building = '43'"})";

Job StoredJob() {
  Job job;
  job.set_id("j");
  job.set_condition("*");
  job.mutable_invoke_method()->set_method("lockDoor");
  job.set_state(Job::STATE_RUNNING);
  job.mutable_create_time()->set_seconds(1'800'000'000);
  return job;
}

class JobsTest : public GatewayTest {
 protected:
  JobsTest() {
    jobs_.create.Play([](const jobs::v1::CreateJobRequest& request) {
      jobs::v1::CreateJobResponse response;
      *response.mutable_job() = request.job();
      return response;
    });
  }
};

TEST_F(JobsTest, CreateAnswersQueued) {
  const http::TestResponse response = Ask("PUT", "/jobs/v2/j", kMethodJob);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"jobId":"j","type":"scheduleDeviceMethod","status":"queued"})");
  const jobs::v1::CreateJobRequest request = jobs_.create.last();
  EXPECT_TRUE(request.accept_invalid_condition());
  EXPECT_EQ(request.job().condition(), "tags.building = '43'");
  EXPECT_EQ(request.job().invoke_method().payload(), R"({"a":1.0})");
  EXPECT_EQ(request.job().invoke_method().response_timeout().seconds(), 45);
  EXPECT_FALSE(request.job().invoke_method().has_connect_timeout());
}

TEST_F(JobsTest, CreateRefusesBadBodies) {
  const std::string good = kMethodJob;
  const auto ask = [&](std::string_view from, std::string_view to) {
    return Ask("PUT", "/jobs/v2/j", absl::StrReplaceAll(good, {{Absl(from), Absl(to)}}));
  };
  ExpectError(ask("scheduleDeviceMethod", "makeCoffee"), 400, "GenericBadRequest");
  ExpectError(ask("\"type\":\"scheduleDeviceMethod\",", ""), 400, "ArgumentNull");
  ExpectError(ask("cloudToDeviceMethod", "other"), 400, "ArgumentNull");
  ExpectError(ask("queryCondition", "other"), 400, "ArgumentNull");
  ExpectError(ask("methodName", "other"), 400, "ArgumentNull");
  ExpectError(ask("\"lockDoor\"", "7"), 400, "GenericBadRequest");
  ExpectError(ask(":45", ":\"45\""), 400, "GenericBadRequest");
  ExpectError(ask("{\"a\":1.0}", absl::StrCat("\"", std::string(128 * 1024, 'x'), "\"")), 413, "MessageTooLarge");
  EXPECT_EQ(jobs_.create.count(), 0u);
}

TEST_F(JobsTest, CreateReportsWhatTheBackendRefuses) {
  const std::tuple<absl::StatusCode, std::string_view, int, std::string_view> cases[] = {
      {absl::StatusCode::kInvalidArgument, reasons::kInvalidJobId, 400, "ArgumentInvalid"},
      {absl::StatusCode::kInvalidArgument, reasons::kInvalidStartTime, 400, "ArgumentInvalid"},
      {absl::StatusCode::kAlreadyExists, reasons::kJobAlreadyExists, 409, "JobAlreadyExists"},
  };
  for (const auto& [code, reason, status, name] : cases) {
    jobs_.create.Fail(MakeError(code, reason, "no"));
    ExpectError(Ask("PUT", "/jobs/v2/j", kMethodJob), status, name);
  }
}

TEST_F(JobsTest, GetPrintsTheJob) {
  jobs::v1::GetJobResponse response;
  *response.mutable_job() = StoredJob();
  jobs_.get.Return(response);
  const json::Value job = Json(Ask("GET", "/jobs/v2/a%27b"));
  EXPECT_EQ(jobs_.get.last().job_id(), "a'b");
  EXPECT_EQ(job.Find("status")->AsString(), "running");
  EXPECT_EQ(job.Find("createdTime")->AsString(), "2027-01-15T08:00:00.0000000Z");
}

TEST_F(JobsTest, AnUnknownJobIsNoErrorButInThePreview) {
  jobs_.get.Fail(MakeError(absl::StatusCode::kNotFound, reasons::kJobNotFound, "no"));
  const http::TestResponse response = Ask("GET", "/jobs/v2/nope");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"jobId":"nope","type":"unknown","status":"unknown"})");
  version_ = kPreview;
  ExpectError(Ask("GET", "/jobs/v2/nope"), 404, "JobNotFound");
}

TEST_F(JobsTest, CancelAnswersTheWholeJobAsCancelled) {
  jobs::v1::CancelJobResponse response;
  *response.mutable_job() = StoredJob();
  response.mutable_job()->set_state(Job::STATE_CANCELLING);
  jobs_.cancel.Return(response);
  for (const char* body : {"", "null"}) {
    const json::Value job = Json(Ask("POST", "/jobs/v2/j/cancel", body));
    EXPECT_EQ(job.Find("status")->AsString(), "cancelled");
    EXPECT_EQ(job.Find("type")->AsString(), "scheduleDeviceMethod");
  }
}

TEST_F(JobsTest, CancelOfEndedAndUnknownJobs) {
  jobs_.cancel.Fail(MakeError(absl::StatusCode::kFailedPrecondition, reasons::kJobFinished, "ended"));
  ExpectError(Ask("POST", "/jobs/v2/j/cancel"), 405, "OperationNotAllowedInCurrentState");
  jobs_.cancel.Fail(MakeError(absl::StatusCode::kNotFound, reasons::kJobNotFound, "no"));
  ExpectError(Ask("POST", "/jobs/v2/j/cancel"), 404, "JobNotFound");
}

TEST_F(JobsTest, CancelOfARunningJobStopsItUnlessItIsToBeRejected) {
  jobs_.cancel.Play([](const jobs::v1::CancelJobRequest& request) -> absl::StatusOr<jobs::v1::CancelJobResponse> {
    if (request.reject_running()) {
      return MakeError(absl::StatusCode::kFailedPrecondition, reasons::kJobRunning, "job j is running");
    }
    jobs::v1::CancelJobResponse response;
    *response.mutable_job() = StoredJob();
    return response;
  });
  EXPECT_EQ(Ask("POST", "/jobs/v2/j/cancel").status, 200);
  Config config = MakeConfig();
  config.cancel_running = "reject";
  Restart(config);
  ExpectError(Ask("POST", "/jobs/v2/j/cancel"), 405, "OperationNotAllowedInCurrentState");
  config.cancel_running = "drain";
  Restart(config);
  EXPECT_EQ(Ask("POST", "/jobs/v2/j/cancel").status, 200);
}

TEST_F(JobsTest, ListIsAnArrayWithPagingHeaders) {
  jobs::v1::ListJobsResponse response;
  *response.add_jobs() = StoredJob();
  response.set_next_page_token("next");
  jobs_.list.Return(response);
  const http::TestResponse first =
      Ask("GET", "/jobs/v2/query?jobType=ScheduleDeviceMethod&jobStatus=Running", "", "x-ms-max-item-count: 7\r\n");
  EXPECT_TRUE(Json(first).is_array());
  EXPECT_EQ(first.Header("x-ms-item-type"), "JobResponse");
  EXPECT_EQ(first.Header("x-ms-continuation"), "next");
  const jobs::v1::ListJobsRequest request = jobs_.list.last();
  EXPECT_EQ(request.page_size(), 7);
  EXPECT_EQ(request.action_kind(), jobs::v1::ACTION_KIND_INVOKE_METHOD);
  EXPECT_THAT(request.states(), ElementsAre(Job::STATE_RESOLVING, Job::STATE_RUNNING, Job::STATE_CANCELLING));
  jobs_.list.Return({});
  const http::TestResponse last = Ask("GET", "/jobs/v2/query", "", "x-ms-continuation: next\r\n");
  EXPECT_EQ(jobs_.list.last().page_token(), "next");
  EXPECT_EQ(last.body, "[]");
  EXPECT_EQ(last.headers.count("x-ms-continuation"), 0u);
}

TEST_F(JobsTest, ListOfTheFirstPreviewIsAnObject) {
  version_ = kPreview;
  jobs::v1::ListJobsResponse response;
  response.set_next_page_token("next");
  jobs_.list.Return(response);
  EXPECT_EQ(Ask("GET", "/jobs/v2/query?pageSize=3&continuationToken=abc").body,
            R"({"items":[],"continuationToken":"next"})");
  EXPECT_EQ(jobs_.list.last().page_size(), 3);
  EXPECT_EQ(jobs_.list.last().page_token(), "abc");
  jobs_.list.Return({});
  EXPECT_EQ(Ask("GET", "/jobs/v2/query").body, R"({"items":[],"continuationToken":null})");
}

TEST_F(JobsTest, ListRefusesUnknownFiltersAndTokens) {
  ExpectError(Ask("GET", "/jobs/v2/query?jobStatus=sleeping"), 400, "ArgumentInvalid");
  ExpectError(Ask("GET", "/jobs/v2/query?jobType=makeCoffee"), 400, "ArgumentInvalid");
  EXPECT_EQ(Ask("GET", "/jobs/v2/query?jobType=import").body, "[]");
  EXPECT_EQ(jobs_.list.count(), 0u);
  jobs_.list.Fail(MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidPageToken, "not ours"));
  ExpectError(Ask("GET", "/jobs/v2/query", "", "x-ms-continuation: x\r\n"), 400, "ArgumentInvalid");
}

}  // namespace
}  // namespace fleetcast::rest_gateway
