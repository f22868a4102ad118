#include "libs/query/sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace fleetcast::query {
namespace {

using ::testing::ElementsAre;

constexpr Column kColumns[] = {{"deviceId", "t.device_id", ColumnType::kText, false, 1},
                               {"tags", "t.tags", ColumnType::kJson, true, 1},
                               {"version", "t.version", ColumnType::kNumber, false, 1},
                               {"properties", "", ColumnType::kObject},
                               {"properties.desired", "t.desired", ColumnType::kJson},
                               {"lastActivityTime", "d.last", ColumnType::kTime, false, 2}};

Sql Compile(std::string_view condition) {
  const absl::StatusOr<Condition> parsed = ParseCondition(condition);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  const absl::StatusOr<Sql> sql = CompileCondition(*parsed->expression, kColumns, 3, kInvalidCondition);
  EXPECT_TRUE(sql.ok()) << condition << ": " << sql.status();
  return sql.value_or(Sql{});
}

TEST(SqlTest, ConjunctsOnTagsUseContainment) {
  const Sql sql = Compile("tags.site = 'munich' AND tags.a.[[b c]] = 2");
  EXPECT_EQ(sql.text, "((t.tags @> $3::jsonb) AND (t.tags @> $4::jsonb))");
  EXPECT_THAT(sql.parameters, ElementsAre(R"({"site":"munich"})", R"({"a":{"b c":2}})"));
  EXPECT_EQ(sql.uses, 1u);
}

TEST(SqlTest, UnderNotTheThirdValueMatters) {
  const Sql sql = Compile("NOT tags.site = 'munich'");
  EXPECT_EQ(sql.text,
            "(NOT (CASE WHEN jsonb_typeof((t.tags -> $3::text)) NOT IN ('object', 'array') "
            "THEN (t.tags -> $3::text) = $4::jsonb END))");
}

TEST(SqlTest, DeviceIdsUseTheKey) {
  EXPECT_EQ(Compile("deviceId = 'x'").text, "(t.device_id = $3::text COLLATE \"C\")");
  const Sql in = Compile(R"(DeviceId IN ['a"b\\', 5, 'c'])");
  EXPECT_EQ(in.text, "(t.device_id = ANY($3::text[]))");
  EXPECT_THAT(in.parameters, ElementsAre(R"({"a\"b\\","c"})"));
  EXPECT_EQ(Compile("STARTSWITH(deviceId, 'p')").text, "(t.device_id ^@ $3::text)");
}

TEST(SqlTest, NothingOfTheUserBecomesText) {
  const std::string_view hostile[] = {"x'; DROP TABLE y --", "$$", "a\\b", "%_", "/*", "]", "\"", "\u2019"};
  for (const std::string_view word : hostile) {
    std::string quoted = "'";
    for (const char c : word) quoted += (c == '\'' || c == '\\') ? std::string("\\") + c : std::string(1, c);
    quoted += "'";
    const std::string path = "properties.desired[" + quoted + "].a";
    EXPECT_EQ(Compile(path + " > " + quoted).text,
              "(CASE WHEN jsonb_typeof((t.desired #> $3::text[])) = 'string' THEN ((t.desired #> $3::text[]) #>> '{}') "
              "COLLATE \"C\" > $4::text END)");
  }
}

TEST(SqlTest, RemembersWhichTablesItNeeds) {
  EXPECT_EQ(Compile("lastActivityTime > '2026-01-01' AND deviceId = 'x'").uses, 3u);
  EXPECT_EQ(Compile("lastActivityTime > '2026-01-01'").parameters[0], "2026-01-01T00:00:00.000000Z");
}

TEST(SqlTest, WhatItCannotCompileIsAnErrorWithItsPlace) {
  for (const std::string_view condition :
       {"tags.a + 1 = 2", "-tags.a = 1", "lastActivityTime < 'soon'", "lastActivityTime = tags.a",
        "deviceId IN ['a', tags.b]", "STARTSWITH(deviceId, tags.b)"}) {
    const absl::Status status =
        CompileCondition(*ParseCondition(condition)->expression, kColumns, 1, kInvalidCondition).status();
    EXPECT_EQ(GetReason(status), kInvalidCondition) << condition;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("not supported yet"));
  }
}

TEST(SqlTest, HasNoParameterThatItsTextDoesNotUse) {
  const Sql sql = Compile("(tags.a.b = undefined) = false OR tags.c > 1");
  EXPECT_EQ(sql.parameters.size(), 2u);
  EXPECT_THAT(sql.text, ::testing::HasSubstr("(t.tags -> $3::text))::numeric > $4::numeric"));
}

TEST(SqlTest, UnknownMembersAreUndefined) {
  EXPECT_EQ(Compile("myProp = 1").text, "NULL::boolean");
  EXPECT_EQ(Compile("IS_DEFINED(myProp)").text, "FALSE");
  EXPECT_EQ(Compile("IS_DEFINED(properties)").text, "TRUE");
  EXPECT_EQ(Compile("deviceId.x = 1").text, "NULL::boolean");
}

}  // namespace
}  // namespace fleetcast::query
