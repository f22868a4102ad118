#include "libs/query/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::query {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Select(std::string_view text, const std::vector<std::string_view>& documents) {
  const absl::StatusOr<Query> query = ParseQuery(text);
  EXPECT_TRUE(query.ok()) << text << ": " << query.status();
  if (!query.ok()) return {};
  std::vector<json::Value> values;
  for (const std::string_view document : documents) values.push_back(*json::Parse(document));
  std::vector<std::string> rows;
  for (const json::Value& row : SelectRows(*query, values)) rows.push_back(json::Print(row));
  return rows;
}

TEST(RowsTest, ProjectionsHaveDefinedMembersOnly) {
  const std::vector<std::string_view> documents = {R"({"deviceId":"a","tags":{"site":"x","list":[7]}})",
                                                   R"({"deviceId":"b","tags":{}})"};
  EXPECT_THAT(
      Select("SELECT DEVICEID, tags.site AS place, tags.nothing, tags FROM devices", documents),
      ElementsAre(R"({"deviceId":"a","place":"x","tags":{"site":"x","list":[7]}})", R"({"deviceId":"b","tags":{}})"));
  EXPECT_THAT(Select("SELECT tags.site, tags.list[0] FROM devices", documents),
              ElementsAre(R"({"site":"x","0":7})", "{}"));
  EXPECT_THAT(Select("SELECT deviceId AS x, tags.site AS x FROM devices", documents),
              ElementsAre(R"({"x":"x"})", "{}"));
}

TEST(RowsTest, AggregatesOverEverything) {
  const std::vector<std::string_view> documents = {R"({"tags":{"n":1.50,"m":"b"}})", R"({"tags":{"n":-2,"m":"a"}})",
                                                   R"({"tags":{"n":"z","m":true}})", R"({})"};
  EXPECT_THAT(Select("SELECT COUNT(), SUM(tags.n) AS s, AVG(tags.n), MIN(tags.n) AS low, MAX(tags.n) AS high, "
                     "MIN(tags.m) AS first, MAX(tags.nothing) AS none FROM devices",
                     documents),
              ElementsAre(R"({"$1":4,"s":-0.5,"$2":-0.25,"low":-2,"high":1.50,"first":"a"})"));
  EXPECT_THAT(Select("SELECT COUNT() AS n, SUM(tags.n) AS s, AVG(tags.n) AS a FROM devices WHERE false", documents),
              ElementsAre(R"({"n":0,"s":0})"));
}

TEST(RowsTest, GroupsHaveOneRowForEachPrimitive) {
  const std::vector<std::string_view> documents = {R"({"tags":{"s":1}})", R"({"tags":{"s":1.0}})",
                                                   R"({"tags":{"s":"1"}})", R"({"tags":{"s":{"a":1}}})", R"({})"};
  EXPECT_THAT(Select("SELECT tags.s, COUNT() AS n FROM devices GROUP BY tags.s", documents),
              ElementsAre(R"({"s":1,"n":2})", R"({"s":"1","n":1})", R"({"n":2})"));
  EXPECT_THAT(Select("SELECT COUNT() AS n FROM devices WHERE false GROUP BY tags.s", documents), ElementsAre());
}

}  // namespace
}  // namespace fleetcast::query
