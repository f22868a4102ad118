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
       {"SELECT", "SELECT * FROM twins", "SELECT * FROM devices WHERE a = = 1", "SELECT * FROM devices.job",
        "SELECT AVG(status) AS n FROM devices.jobs", "SELECT jobId, COUNT() FROM devices.jobs GROUP BY jobId"}) {
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
  EXPECT_EQ(page.headers.count("x-ms-continuation"), 1u);
  EXPECT_EQ(Json(page).array().size(), 40u);
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

// Two jobs of three executions each, a page of two at a time, as job_api pages them.
class AllJobsTest : public QueryTest {
 protected:
  AllJobsTest() {
    jobs_.list.Play([](const jobs::v1::ListJobsRequest& request) {
      jobs::v1::ListJobsResponse response;
      const bool is_first = request.page_token().empty();
      response.add_jobs()->set_id(is_first ? "j2" : "j1");
      if (is_first) response.set_next_page_token("older");
      return response;
    });
    jobs_.executions.Play([](const jobs::v1::ListExecutionsRequest& request) {
      jobs::v1::ListExecutionsResponse response;
      const int first = request.page_token().empty() ? 0 : std::stoi(request.page_token());
      const int end = std::min({3, first + 2, first + request.page_size()});
      for (int i = first; i < end; ++i) {
        Execution* const execution = response.add_executions();
        *execution = MakeExecution(absl::StrCat("d", i), i == 0 ? Execution::STATE_FAILED : Execution::STATE_SUCCEEDED);
        execution->set_job_id(request.job_id());
      }
      if (end < 3) response.set_next_page_token(std::to_string(end));
      return response;
    });
  }

  // All rows of a query, page by page.
  std::vector<std::string> Rows(std::string_view text, int page_size) {
    std::vector<std::string> rows;
    std::string headers = absl::StrCat("x-ms-max-item-count: ", page_size, "\r\n");
    for (int pages = 0; pages < 20; ++pages) {
      const http::TestResponse page = Query(text, headers);
      EXPECT_EQ(page.status, 200) << page.body;
      if (page.status != 200) break;
      EXPECT_LE(Json(page).array().size(), static_cast<size_t>(page_size));
      const json::Value page_rows = Json(page);
      for (const json::Value& row : page_rows.array()) rows.push_back(json::Print(row));
      if (page.headers.count("x-ms-continuation") == 0) return rows;
      headers = absl::StrCat("x-ms-max-item-count: ", page_size,
                             "\r\nx-ms-continuation: ", page.Header("x-ms-continuation"), "\r\n");
    }
    ADD_FAILURE() << "no end of pages";
    return rows;
  }
};

TEST_F(AllJobsTest, WithoutAJobEveryJobIsRead) {
  const std::string_view text =
      "SELECT devices.jobs.jobId AS j, deviceId AS d FROM devices.jobs WHERE devices.jobs.status = 'completed' OR "
      "deviceId = 'd0'";
  const std::vector<std::string> all = {R"({"j":"j2","d":"d0"})", R"({"j":"j2","d":"d1"})", R"({"j":"j2","d":"d2"})",
                                        R"({"j":"j1","d":"d0"})", R"({"j":"j1","d":"d1"})", R"({"j":"j1","d":"d2"})"};
  EXPECT_EQ(Rows(text, 100), all);
  EXPECT_EQ(Rows(text, 2), all);
  EXPECT_EQ(Query(text).Header("x-ms-item-type"), "Raw");
}

TEST_F(AllJobsTest, TopCountsOverAllPages) {
  EXPECT_EQ(Rows("SELECT TOP 4 deviceId FROM devices.jobs", 2).size(), 4u);
  EXPECT_EQ(Rows("SELECT TOP 4 * FROM devices.jobs", 3).size(), 4u);
  EXPECT_EQ(Rows("SELECT TOP 1000 * FROM devices.jobs", 100).size(), 6u);
}

TEST_F(AllJobsTest, TokensBelongToTheirQuery) {
  const std::string_view text = "SELECT TOP 4 * FROM devices.jobs";
  const http::TestResponse page = Query(text, "x-ms-max-item-count: 2\r\n");
  const std::string token = absl::StrCat("x-ms-continuation: ", page.Header("x-ms-continuation"), "\r\n");
  EXPECT_EQ(Query(text, token).status, 200);
  ExpectError(Query("SELECT TOP 5 * FROM devices.jobs", token), 400, "ArgumentInvalid");
  ExpectError(Query(text, "x-ms-continuation: AAAA\r\n"), 400, "ArgumentInvalid");
}

TEST_F(AllJobsTest, CountsByStatus) {
  EXPECT_EQ(Rows("SELECT COUNT() AS n FROM devices.jobs", 100), std::vector<std::string>{R"({"n":6})"});
  EXPECT_EQ(
      Rows("SELECT status, COUNT() AS n FROM devices.jobs WHERE jobId = 'j1' AND deviceId != 'x' GROUP BY status", 100),
      (std::vector<std::string>{R"({"status":"completed","n":2})", R"({"status":"failed","n":1})"}));
  EXPECT_EQ(Rows("SELECT COUNT() AS n FROM devices.jobs WHERE jobId = 'a' AND jobId = 'b'", 100),
            std::vector<std::string>{R"({"n":0})"});
}

TEST_F(QueryTest, TheCountsOfAJobAreItsOwn) {
  jobs::v1::GetJobResponse response;
  response.mutable_job()->mutable_statistics()->set_succeeded(1'000'000);
  response.mutable_job()->mutable_statistics()->set_failed(3);
  response.mutable_job()->mutable_statistics()->set_timed_out(4);
  jobs_.get.Return(response);
  EXPECT_EQ(
      Query("SELECT devices.jobs.status AS s, COUNT() AS n FROM devices.jobs WHERE jobId = 'j' GROUP BY status").body,
      R"([{"s":"completed","n":1000000},{"s":"failed","n":7}])");
  EXPECT_EQ(Query("SELECT COUNT() AS n FROM devices.jobs WHERE jobId = 'j' AND status = 'failed'").body,
            R"([{"n":7}])");
  jobs_.get.Fail(MakeError(absl::StatusCode::kNotFound, reasons::kJobNotFound, "no such job"));
  EXPECT_EQ(Query("SELECT COUNT() AS n FROM devices.jobs WHERE jobId = 'nosuch'").body, R"([{"n":0}])");
  EXPECT_EQ(jobs_.executions.count(), 0u);
}

TEST_F(AllJobsTest, TheStrictProfileHasSelectStarOnly) {
  Config config = MakeConfig();
  config.query_profile = "strict";
  Restart(config);
  ExpectError(Query("SELECT deviceId FROM devices.jobs WHERE jobId = 'j'"), 400, "ArgumentInvalid");
  ExpectError(Query("SELECT COUNT() AS n FROM devices.jobs WHERE jobId = 'j'"), 400, "ArgumentInvalid");
  EXPECT_EQ(Query("SELECT * FROM devices.jobs WHERE jobId = 'j'").status, 200);
}

TEST_F(QueryTest, ContradictionsNeedNoBackend) {
  EXPECT_EQ(Query("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j' AND devices.jobs.status = 'nosuch'").body,
            "[]");
  EXPECT_EQ(jobs_.executions.count(), 0u);
}

}  // namespace
}  // namespace fleetcast::rest_gateway
