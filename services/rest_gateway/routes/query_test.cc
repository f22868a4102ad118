#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/gateway_fixture.h"

namespace fleetcast::rest_gateway {
namespace {

using jobs::v1::Execution;

class QueryTest : public GatewayTest {
 protected:
  http::TestResponse Query(std::string_view text, std::string_view headers = "") {
    return Ask("POST", "/devices/query", absl::StrCat("{\"query\":", json::Quote(text), "}"), headers);
  }
};

Execution MakeExecution(std::string_view device, Execution::State state) {
  Execution execution;
  execution.set_job_id("j");
  execution.set_device_id(std::string(device));
  execution.set_state(state);
  execution.set_action_kind(jobs::v1::ACTION_KIND_INVOKE_METHOD);
  execution.mutable_create_time()->set_seconds(1'800'000'000);
  return execution;
}

TEST_F(QueryTest, TwinsPassThrough) {
  twins::v1::QueryTwinsResponse response;
  response.set_row_kind(twins::v1::QueryTwinsResponse::ROW_KIND_TWIN);
  response.add_rows(R"({"deviceId":"d1","n":1.0})");
  response.add_rows(R"({"deviceId":"d2"})");
  response.set_next_page_token("next");
  twins_.query.Return(response);
  const http::TestResponse first = Query("SELECT * FROM devices", "x-ms-max-item-count: 2\r\n");
  EXPECT_EQ(first.body, R"([{"deviceId":"d1","n":1.0},{"deviceId":"d2"}])");
  EXPECT_EQ(first.Header("x-ms-item-type"), "Twin");
  EXPECT_EQ(first.Header("x-ms-continuation"), "next");
  EXPECT_EQ(twins_.query.last().query(), "SELECT * FROM devices");
  EXPECT_EQ(twins_.query.last().page_size(), 2);
  response.set_row_kind(twins::v1::QueryTwinsResponse::ROW_KIND_RAW);
  response.clear_next_page_token();
  twins_.query.Return(response);
  const http::TestResponse last = Query("SELECT deviceId FROM devices", "x-ms-continuation: next\r\n");
  EXPECT_EQ(last.Header("x-ms-item-type"), "Raw");
  EXPECT_EQ(last.headers.count("x-ms-continuation"), 0u);
  EXPECT_EQ(twins_.query.last().page_token(), "next");
}

TEST_F(QueryTest, PageSizesAreClamped) {
  twins_.query.Return({});
  for (const auto& [asked, size] : std::vector<std::pair<std::string, int>>{
           {"0", 1}, {"-5", 1}, {"1000", 100}, {"many", 100}, {"99999999999", 100}}) {
    Query("SELECT * FROM devices", absl::StrCat("x-ms-max-item-count: ", asked, "\r\n"));
    EXPECT_EQ(twins_.query.last().page_size(), size) << asked;
  }
}

TEST_F(QueryTest, PreviewHasItsOwnBodies) {
  version_ = kPreview;
  twins::v1::QueryTwinsResponse response;
  response.add_rows("{}");
  twins_.query.Return(response);
  EXPECT_EQ(
      Ask("POST", "/devices/query", R"({"sql":"SELECT * FROM devices","pageSize":3,"continuationToken":"t"})").body,
      R"({"items":[{}],"continuationToken":null})");
  EXPECT_EQ(twins_.query.last().page_size(), 3);
  EXPECT_EQ(twins_.query.last().page_token(), "t");
}

TEST_F(QueryTest, RefusesBadQueriesWithTheirPosition) {
  for (const char* text :
       {"SELECT", "SELECT * FROM twins", "SELECT * FROM devices WHERE a = = 1", "SELECT * FROM devices.jobs",
        "SELECT COUNT() AS n FROM devices.jobs", "SELECT TOP 101 * FROM devices.jobs WHERE devices.jobs.jobId = 'j'"}) {
    ExpectError(Query(text), 400, "ArgumentInvalid");
  }
  EXPECT_THAT(Query("SELECT * FROM devices WHERE a = = 1").body, ::testing::HasSubstr("Line 1:33"));
  ExpectError(Ask("POST", "/devices/query", "{}"), 400, "ArgumentNull");
  ExpectError(Ask("POST", "/devices/query", R"({"query":null})"), 400, "ArgumentNull");
  ExpectError(Ask("POST", "/devices/query", R"({"query":7})"), 400, "GenericBadRequest");
  EXPECT_EQ(twins_.query.count(), 0u);
}

TEST_F(QueryTest, JobRecordsComeFromExecutions) {
  jobs::v1::ListExecutionsResponse response;
  *response.add_executions() = MakeExecution("d1", Execution::STATE_PENDING);
  response.set_next_page_token("next");
  jobs_.executions.Return(response);
  const http::TestResponse page =
      Query("select * from devices.jobs where devices.jobs.jobId = 'j' and devices.jobs.status = 'failed'");
  EXPECT_EQ(page.Header("x-ms-item-type"), "DeviceJob");
  EXPECT_EQ(page.Header("x-ms-continuation"), "next");
  EXPECT_EQ(Json(page).array().size(), 1u);
  EXPECT_EQ(jobs_.executions.last().job_id(), "j");
  EXPECT_THAT(jobs_.executions.last().states(),
              ::testing::ElementsAre(Execution::STATE_FAILED, Execution::STATE_TIMED_OUT));
}

TEST_F(QueryTest, OtherConditionsAreTestedOnTheRows) {
  jobs_.executions.Play([](const jobs::v1::ListExecutionsRequest& request) {
    jobs::v1::ListExecutionsResponse response;
    const bool is_first = request.page_token().empty();
    *response.add_executions() = MakeExecution(is_first ? "a" : "b", Execution::STATE_PENDING);
    if (is_first) response.set_next_page_token("second");
    return response;
  });
  const http::TestResponse page =
      Query("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j' AND devices.jobs.deviceId > 'a'");
  ASSERT_EQ(Json(page).array().size(), 1u);
  EXPECT_EQ(Json(page).array()[0].Find("deviceId")->AsString(), "b");
  EXPECT_EQ(page.headers.count("x-ms-continuation"), 0u);
  EXPECT_EQ(jobs_.executions.count(), 2u);
}

TEST_F(QueryTest, ContradictionsNeedNoBackend) {
  EXPECT_EQ(Query("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j' AND devices.jobs.status = 'nosuch'").body,
            "[]");
  EXPECT_EQ(jobs_.executions.count(), 0u);
}

}  // namespace
}  // namespace fleetcast::rest_gateway
