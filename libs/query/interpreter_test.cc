#include "libs/query/interpreter.h"

#include <gtest/gtest.h>

namespace fleetcast::query {
namespace {

constexpr std::string_view kD1 =
    R"({"deviceId":"d1","status":"enabled","lastActivityTime":"2026-03-04T05:06:07.1234560Z",
        "tags":{"site":"munich","floor":2,"canary":false},
        "properties":{"reported":{"fw":{"v":"2.1"},"list":[1,2],
          "$metadata":{"$lastUpdated":"2026-03-04T05:06:07.1234560Z"}}}})";
constexpr std::string_view kD2 = R"({"deviceId":"d2","status":"enabled","tags":{},"properties":{"reported":{}}})";

bool Selects(std::string_view condition, std::string_view document) {
  const absl::StatusOr<Condition> parsed = ParseCondition(condition);
  EXPECT_TRUE(parsed.ok()) << condition << ": " << parsed.status();
  return parsed.ok() && Matches(*parsed->expression, *json::Parse(document));
}

struct Vector {
  std::string_view condition;
  bool is_d1, is_d2;
};

// query-language.md section 11.
TEST(InterpreterTest, TestVectors) {
  for (const Vector& vector : std::vector<Vector>{{"tags.site = 'munich'", true, false},
                                                  {"tags.site != 'munich'", false, false},
                                                  {"NOT (tags.site = 'munich')", false, false},
                                                  {"NOT IS_DEFINED(tags.site)", false, true},
                                                  {"tags.site IN ['berlin','munich']", true, false},
                                                  {"tags.site NIN ['berlin']", true, false},
                                                  {"tags.floor >= 2 AND tags.floor < 3", true, false},
                                                  {"tags.floor = '2'", false, false},
                                                  {"tags.floor != '2'", true, false},
                                                  {"tags.floor * 2 + 1 = 5", true, false},
                                                  {"tags.canary = false", true, false},
                                                  {"tags.canary", false, false},
                                                  {"tags.Site = 'munich'", false, false},
                                                  {"DEVICEID = 'd1' or Devices.deviceId = 'd2'", true, true},
                                                  {"startswith(deviceId, 'd')", true, true},
                                                  {"IS_DEFINED(properties.reported.fw)", true, false},
                                                  {"properties.reported.fw = 'x' OR deviceId = 'd1'", true, false},
                                                  {"ARRAY_CONTAINS(properties.reported.list, 2)", true, false},
                                                  {"tags.site = \"munich\"", true, false},
                                                  {R"(tags.[[site]] = 'mun\u0069ch')", true, false},
                                                  {"tags.floor = 0x2", true, false},
                                                  {"undefined OR true", true, true},
                                                  {"tags.x = tags.y", false, false},
                                                  {"status = 'ENABLED'", false, false}}) {
    EXPECT_EQ(Selects(vector.condition, kD1), vector.is_d1) << vector.condition;
    EXPECT_EQ(Selects(vector.condition, kD2), vector.is_d2) << vector.condition;
  }
}

TEST(InterpreterTest, MoreOfTheMeaning) {
  for (const Vector& vector : std::vector<Vector>{
           {"tags.site IN []", false, false},
           {"NOT (tags.site IN [])", true, false},
           {"tags.site NIN [1, null, tags.nothing]", true, false},
           {"tags < 1 OR NOT (tags = 1)", false, false},
           {"NOT (tags.floor AND false)", true, true},
           {"(tags.floor = 2) = true", true, false},
           {"tags.floor / 0 = 1 OR tags.floor % 2 = 0", true, false},
           {"-tags.floor = -2", true, false},
           {"tags.floor = 2.0 AND tags.floor = 20e-1", true, false},
           {"null = null", true, true},
           {"tags.site = 'it''s' OR ENDSWITH(tags.site, 'ich')", true, false},
           {"CONTAINS(tags.site, 'nic') AND IS_STRING(tags.site)", true, false},
           {"lastActivityTime > '2026-03-04' AND lastActivityTime < '2026-03-04T07:06:08+02:00'", true, false},
           {"properties.reported.$metadata.$lastUpdated >= '2026-03-04T05:06:07.123456Z'", true, false},
           {"properties.reported.list[1] = 2", true, false},
           {"IS_OBJECT(properties.reported.fw) AND NOT IS_PRIMITIVE(properties.reported.fw)", true, false},
           {"'a' < 'b' AND false < true AND NOT ('a' < 1)", false, false}}) {
    EXPECT_EQ(Selects(vector.condition, kD1), vector.is_d1) << vector.condition;
    EXPECT_EQ(Selects(vector.condition, kD2), vector.is_d2) << vector.condition;
  }
}

TEST(InterpreterTest, ProjectsDefinedMembersOnly) {
  const absl::StatusOr<Query> query =
      ParseQuery("SELECT DEVICEID, tags.site AS place, tags.nothing, tags FROM devices");
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(json::Print(Project(query->items, *json::Parse(kD1))),
            R"({"deviceId":"d1","place":"munich","tags":{"site":"munich","floor":2,"canary":false}})");
  EXPECT_EQ(json::Print(Project(query->items, *json::Parse(kD2))), R"({"deviceId":"d2","tags":{}})");
}

}  // namespace
}  // namespace fleetcast::query
