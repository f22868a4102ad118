// Pages of queries, on a private PostgreSQL.
#include "services/twin/query_runner.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/testing/sim_clock.h"
#include "services/twin/store/store_fixture.h"
#include "services/twin/store/twin_store.h"

namespace fleetcast::twin {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::StatusIs;
using twins::v1::QueryTwinsRequest;
using twins::v1::QueryTwinsResponse;

class QueryRunnerTest : public StoreTest {
 protected:
  absl::StatusOr<QueryTwinsResponse> Run(const std::string& text, int page_size = 0, const std::string& token = "") {
    QueryTwinsRequest request;
    request.set_query(text);
    request.set_page_size(page_size);
    request.set_page_token(token);
    QueryTwinsResponse response;
    const absl::Status status = runner_.Run(Deadline(), request, response);
    if (!status.ok()) return status;
    return response;
  }

  // The rows of all pages.
  std::vector<std::string> All(const std::string& text, int page_size) {
    std::vector<std::string> rows;
    std::string token;
    do {
      const auto page = Run(text, page_size, token);
      EXPECT_THAT(page, IsOk()) << text;
      if (!page.ok()) break;
      EXPECT_LE(page->rows_size(), page_size);
      rows.insert(rows.end(), page->rows().begin(), page->rows().end());
      token = page->next_page_token();
    } while (!token.empty());
    return rows;
  }

  void Tag(const std::string& id, const std::string& tags) {
    FLEETCAST_ASSERT_OK(TwinStore(pool_).Edit(Deadline(), id, *ParseMerge(tags, ""), EtagCondition::Parse("")));
  }

  QueryStore store_{pool_};
  PageTokens tokens_{"0123456789abcdef"};
  testing::SimClock clock_;
  QueryRunner runner_{store_, tokens_, query::Profile::kLenient, clock_};
};

TEST_F(QueryRunnerTest, PagesFollowTheDeviceIds) {
  Create({"d", "b", "a", "c", "e"});
  const std::vector<std::string> all = {R"({"deviceId":"a"})", R"({"deviceId":"b"})", R"({"deviceId":"c"})",
                                        R"({"deviceId":"d"})", R"({"deviceId":"e"})"};
  for (const int page_size : {1, 2, 5, 100}) EXPECT_EQ(All("SELECT deviceId FROM devices", page_size), all);
}

TEST_F(QueryRunnerTest, TopCountsOverAllPages) {
  Create({"a", "b", "c", "d", "e"});
  EXPECT_EQ(All("SELECT TOP 3 deviceId FROM devices", 2).size(), 3u);
  EXPECT_EQ(All("SELECT TOP 4 deviceId FROM devices", 2).size(), 4u);
  EXPECT_EQ(All("SELECT TOP 9 deviceId FROM devices", 2).size(), 5u);
  EXPECT_EQ(All("SELECT TOP 2 deviceId, COUNT() FROM devices GROUP BY deviceId", 1).size(), 2u);
}

TEST_F(QueryRunnerTest, GroupsHavePagesToo) {
  std::vector<std::string> ids;
  for (int i = 0; i < 250; ++i) ids.push_back(absl::StrCat("d", 1000 + i));
  Create(ids);
  const std::vector<std::string> rows = All("SELECT deviceId, COUNT() AS n FROM devices GROUP BY deviceId", 100);
  ASSERT_EQ(rows.size(), 250u);
  EXPECT_EQ(rows[0], R"({"deviceId":"d1000","n":1})");
  EXPECT_EQ(rows[249], R"({"deviceId":"d1249","n":1})");
}

TEST_F(QueryRunnerTest, TokensAreOfOneQueryAndOneDay) {
  Create({"a", "b", "c"});
  const std::string text = "SELECT deviceId FROM devices";
  const auto first = Run(text, 1);
  ASSERT_THAT(first, IsOk());
  const std::string token = first->next_page_token();
  EXPECT_THAT(Run("SELECT deviceId FROM devices WHERE true", 1, token),
              StatusIs(absl::StatusCode::kInvalidArgument, "INVALID_PAGE_TOKEN"));
  EXPECT_THAT(Run(text, 1, token + "A"), StatusIs(absl::StatusCode::kInvalidArgument, "INVALID_PAGE_TOKEN"));
  clock_.Advance(absl::Hours(23));
  EXPECT_THAT(Run(text, 1, token), IsOk());
  clock_.Advance(absl::Hours(2));
  EXPECT_THAT(Run(text, 1, token), StatusIs(absl::StatusCode::kInvalidArgument, "INVALID_PAGE_TOKEN"));
}

TEST_F(QueryRunnerTest, NoQueryMakesTheDatabaseFail) {
  Create({"a"});
  Tag("a", R"({"big":1e308,"small":1e-300,"zero":0,"text":"x","list":[1],"digits":"99999999999999999999"})");
  for (const char* condition : {"tags.big * tags.big > 0",
                                "tags.big / tags.small > 0",
                                "1 / tags.zero = 1",
                                "tags.big % tags.zero = 1",
                                "EXP(tags.big) > 0",
                                "EXP(-tags.big) = 0",
                                "POWER(tags.big, tags.big) > 0",
                                "POWER(tags.zero, -1) > 0",
                                "POWER(-tags.big, 0.5) > 0",
                                "SQRT(-tags.big) > 0",
                                "SQUARE(tags.big) > 0",
                                "AS_NUMBER(tags.text) = 1",
                                "AS_NUMBER(CONCAT(tags.digits, tags.digits, 'e999')) > 0",
                                "SUBSTRING(tags.text, tags.big, tags.big) = ''",
                                "SUBSTRING(tags.text, -tags.big) = ''",
                                "lastActivityTime > tags.text",
                                "lastActivityTime = tags.list",
                                "tags.big + 'x' = 1",
                                "-tags.list = 1",
                                "ARRAY_CONTAINS(tags.list, tags)",
                                "tags IN [tags, tags.list]"}) {
    EXPECT_THAT(Run(absl::StrCat("SELECT deviceId FROM devices WHERE ", condition)), IsOk()) << condition;
    EXPECT_THAT(Run(absl::StrCat("SELECT deviceId FROM devices WHERE NOT (", condition, ")")), IsOk()) << condition;
  }
  EXPECT_THAT(Run("SELECT SUM(tags.big), AVG(tags.small), MIN(tags.list), MAX(tags.digits) FROM devices"), IsOk());
}

TEST_F(QueryRunnerTest, TheDeepestQueriesAreAnswered) {
  Create({"a"});
  const auto nested = [](std::string_view head, std::string_view tail, int depth) {
    std::string text = "version";
    for (int i = 0; i < depth; ++i) text = absl::StrCat(std::string(head), text, std::string(tail));
    return text;
  };
  for (const std::string& value :
       {nested("EXP(", ")", 64), nested("SQRT(", ")", 64), nested("POWER(", ", 2)", 64), nested("SQUARE(", ")", 64),
        nested("LENGTH(LOWER(", "))", 32), nested("(1 / ", ")", 95), nested("", " + 1", 190),
        nested("(", " IN [1, version])", 190), nested("(", " = version)", 190),
        nested("AS_NUMBER(CONCAT('1', ", "))", 32), nested("(NOT ", ")", 95),
        nested("(lastActivityTime = ", ")", 190)}) {
    EXPECT_THAT(Run(absl::StrCat("SELECT deviceId FROM devices WHERE ", value, " = 1")), IsOk()) << value.substr(0, 60);
  }
  std::string terms = "version * 1 > 0";
  for (int i = 0; i < 150; ++i) absl::StrAppend(&terms, " AND lastActivityTime != tags.t", i);
  EXPECT_THAT(Run(absl::StrCat("SELECT deviceId FROM devices WHERE ", terms)), IsOk());
}

TEST_F(QueryRunnerTest, ModulesAreACollectionOfTheirOwn) {
  Create({"d1", "d2"});
  for (const auto& [device, module] :
       std::vector<std::pair<std::string, std::string>>{{"d2", "opc"}, {"d1", "opc"}, {"d1", "cam"}}) {
    NewDevice identity = Device(device);
    identity.settings.module_id = module;
    FLEETCAST_ASSERT_OK(DeviceStore(pool_).CreateModule(Deadline(), identity));
    FLEETCAST_ASSERT_OK(TwinStore(pool_).Edit(Deadline(), Identity{device, module},
                                              *ParseMerge(R"({"m":")" + module + "\"}", R"({"n":1})"),
                                              EtagCondition::Parse("")));
  }
  Tag("d1", R"({"site":"x"})");
  const std::vector<std::string> all = {R"({"deviceId":"d1","moduleId":"cam"})",
                                        R"({"deviceId":"d1","moduleId":"opc"})",
                                        R"({"deviceId":"d2","moduleId":"opc"})"};
  for (const int page_size : {1, 2, 100}) {
    EXPECT_EQ(All("SELECT deviceId, ModuleId FROM devices.modules", page_size), all);
  }
  EXPECT_THAT(
      All("SELECT devices.modules.deviceId FROM devices.modules WHERE tags.m = 'opc' AND devices.deviceId > 'd1'", 9),
      ElementsAre(R"({"deviceId":"d2"})"));
  EXPECT_THAT(
      All("SELECT moduleId, COUNT() AS n, SUM(properties.desired.n) AS s FROM devices.modules GROUP BY moduleId", 9),
      ElementsAre(R"({"moduleId":"cam","n":1,"s":1})", R"({"moduleId":"opc","n":2,"s":2})"));
  // Tags of devices are not theirs, and they have no capabilities.
  EXPECT_THAT(All("SELECT moduleId FROM devices.modules WHERE tags.site = 'x' OR IS_DEFINED(capabilities)", 9),
              IsEmpty());
  EXPECT_THAT(All("SELECT deviceId FROM devices WHERE IS_DEFINED(moduleId) OR tags.m = 'opc'", 9), IsEmpty());
  const auto whole = Run("SELECT * FROM devices.modules WHERE moduleId = 'cam'");
  ASSERT_THAT(whole, IsOk());
  EXPECT_EQ(whole->row_kind(), QueryTwinsResponse::ROW_KIND_TWIN);
  EXPECT_EQ(json::Parse(whole->rows(0))->Find("moduleId")->AsString(), "cam");
}

// More devices than a page looks at along the key before it asks the index.
TEST_F(QueryRunnerTest, PagesThatTheIndexFindsAreComplete) {
  std::vector<std::string> ids;
  for (int i = 0; i < 4'500; ++i) ids.push_back(absl::StrCat("d", 10'000 + i));
  Create(ids);
  std::vector<std::string> few;
  for (const int i : {5, 1'990, 1'999, 2'000, 2'001, 3'000, 4'001, 4'499}) {
    Tag(ids[static_cast<size_t>(i)], R"({"few":1})");
    few.push_back(absl::StrCat(R"({"deviceId":")", ids[static_cast<size_t>(i)], "\"}"));
  }
  FLEETCAST_ASSERT_OK(
      pool_.Run(Deadline(), postgres::Statement{"test_tag_all", "UPDATE twin.twin SET tags = tags || '{\"all\": 1}'"}));
  for (const int page_size : {1, 3, 100}) {
    EXPECT_EQ(All("SELECT deviceId FROM devices WHERE tags.few = 1", page_size), few);
  }
  EXPECT_EQ(All("SELECT deviceId FROM devices WHERE tags.all = 1", 1'000).size(), ids.size());
  const query::Condition condition = *query::ParseCondition("tags.few = 1");
  EXPECT_THAT(store_.Ids(Deadline(), condition, "", 10'000), testing::IsOkAndHolds(::testing::SizeIs(8)));
  EXPECT_THAT(store_.Ids(Deadline(), condition, ids[1'999], 2),
              testing::IsOkAndHolds(ElementsAre(ids[2'000], ids[2'001])));
  EXPECT_THAT(store_.Ids(Deadline(), *query::ParseCondition("tags.all = 1"), "", 10'000), testing::IsOkAndHolds(ids));
}

TEST_F(QueryRunnerTest, APageThatTheIndexFoundAmongFewTellsTheNext) {
  std::vector<std::string> ids;
  for (int i = 0; i < 2'500; ++i) ids.push_back(absl::StrCat("d", 10'000 + i));
  Create(ids);
  for (const int i : {1'000, 2'100, 2'200, 2'300}) Tag(ids[static_cast<size_t>(i)], R"({"few":1})");
  for (int i = 0; i < 10; ++i) Tag(ids[static_cast<size_t>(i)], R"({"near":1})");
  const auto page = [&](const query::Condition& condition, const std::string& after, int limit, bool is_selective) {
    auto found =
        store_.Twins(Deadline(), query::Collection::kDevices, condition.expression, {after, ""}, limit, is_selective);
    EXPECT_THAT(found, IsOk());
    return found.value_or(TwinPage());
  };
  const auto ids_of = [](const TwinPage& found) {
    std::vector<std::string> out;
    for (const TwinRow& twin : found.twins) out.push_back(twin.device_id);
    return out;
  };
  const query::Condition few = *query::ParseCondition("tags.few = 1");
  EXPECT_TRUE(page(few, "", 2, false).is_selective);
  EXPECT_TRUE(page(few, "", 2, true).is_selective);
  EXPECT_THAT(ids_of(page(few, "", 2, true)), ElementsAre(ids[1'000], ids[2'100]));
  EXPECT_THAT(ids_of(page(few, ids[2'100], 9, true)), ElementsAre(ids[2'200], ids[2'300]));
  EXPECT_THAT(ids_of(page(few, ids[2'300], 9, true)), IsEmpty());
  // It was full along the key.
  const query::Condition near = *query::ParseCondition("tags.near = 1");
  EXPECT_FALSE(page(near, "", 9, false).is_selective);
  EXPECT_EQ(ids_of(page(near, "", 9, false)), ids_of(page(near, "", 9, true)));
  // Where no index helps, there is nothing to tell.
  const query::Condition all = *query::ParseCondition("IS_DEFINED(deviceId)");
  EXPECT_FALSE(page(all, "", 2, true).is_selective);
  EXPECT_THAT(ids_of(page(all, "", 2, true)), ElementsAre(ids[0], ids[1]));
}

TEST_F(QueryRunnerTest, ErrorsSayWhere) {
  const auto answer = Run("SELECT * FROM devices WHERE a = = 1");
  EXPECT_THAT(answer, StatusIs(absl::StatusCode::kInvalidArgument, "INVALID_QUERY"));
  EXPECT_THAT(std::string(answer.status().message()), ::testing::StartsWith("Line 1:33 "));
  EXPECT_THAT(Run("SELECT * FROM devices.jobs"), StatusIs(absl::StatusCode::kInvalidArgument, "INVALID_QUERY"));
  EXPECT_THAT(Run("SELECT * FROM devices", -1), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(QueryRunnerTest, TheStrictProfileRefusesExtensions) {
  QueryRunner strict(store_, tokens_, query::Profile::kStrict, clock_);
  QueryTwinsRequest request;
  QueryTwinsResponse response;
  request.set_query("SELECT * FROM devices WHERE LOWER(deviceId) = 'x'");
  EXPECT_THAT(strict.Run(Deadline(), request, response), StatusIs(absl::StatusCode::kInvalidArgument, "INVALID_QUERY"));
  EXPECT_THAT(Run(request.query())->rows(), IsEmpty());
}

}  // namespace
}  // namespace fleetcast::twin
