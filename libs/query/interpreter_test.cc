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

TEST(InterpreterTest, Functions) {
  for (const std::string_view condition :
       {"LOWER('AbÉ') = 'abÉ' AND UPPER('ab') = 'AB'", "LENGTH('é€😀') = 3 AND LENGTH('') = 0",
        "CONCAT('a', 'b', tags.site) = 'abmunich'",
        "SUBSTRING('héllo', 1) = 'éllo' AND SUBSTRING('héllo', 1, 2) = 'él' AND SUBSTRING('abc', 7) = ''",
        "SUBSTRING('abc', 1.9, 1e300) = 'bc'",
        "NOT IS_DEFINED(SUBSTRING('abc', -1)) AND NOT IS_DEFINED(SUBSTRING('abc', 0, -1))",
        "INDEX_OF('héllo', 'l') = 2 AND INDEX_OF('a', 'b') = -1 AND INDEX_OF('a', '') = 0",
        "AS_NUMBER('1e2') = 100 AND AS_NUMBER(tags.floor) = 2 AND NOT IS_DEFINED(AS_NUMBER('x'))",
        "ABS(-tags.floor) = 2 AND CEILING(2.1) = 3 AND FLOOR(2.9) = 2 AND SIGN(-7) = -1",
        "SQRT(SQUARE(tags.floor)) = tags.floor AND POWER(2, 3) = 8 AND EXP(0) = 1",
        "tags.floor + 0.1 + 0.2 = 2.3 AND 7 % 4 = 3 AND -7 / 2 = -3.5",
        "NOT IS_DEFINED(1 / 0) AND NOT IS_DEFINED('a' + 'b') AND NOT IS_DEFINED(1e300 * 1e300)",
        "NOT IS_DEFINED(LOWER(1)) AND NOT IS_DEFINED(ABS('x')) AND NOT IS_DEFINED(CONCAT('a', 1))",
        "ARRAY_CONTAINS([1, 'x', tags.floor], 2.0) AND NOT ARRAY_CONTAINS([], 1)",
        "NOT IS_DEFINED(ARRAY_CONTAINS([1], [1])) AND NOT IS_DEFINED(ARRAY_CONTAINS(tags.site, 'm'))",
        "tags.floor IN [1 + 1] AND tags.floor NIN [tags.site, tags.nothing, [2]]"}) {
    EXPECT_TRUE(Selects(condition, kD1)) << condition;
  }
}

}  // namespace
}  // namespace fleetcast::query
