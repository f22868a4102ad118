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
                               {"lastActivityTime", "d.last", ColumnType::kTime, false, 2, "text(d.last)"}};
const Path kIndexed[] = {{{"properties"}, {"desired"}, {"fw"}, {"v"}}};
const Binding kBinding = {kColumns, kIndexed};

Sql Compile(std::string_view condition) {
  const absl::StatusOr<Condition> parsed = ParseCondition(condition);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? CompileCondition(*parsed->expression, kBinding, 3) : Sql{};
}

TEST(SqlTest, ConjunctsOnTagsUseContainment) {
  const Sql sql = Compile("tags.site = 'munich' AND tags.a.[[b c]] = 2");
  EXPECT_EQ(sql.text, "((t.tags @> $3::jsonb) AND (t.tags @> $4::jsonb))");
  EXPECT_THAT(sql.parameters, ElementsAre(R"({"site":"munich"})", R"({"a":{"b c":2}})"));
  EXPECT_EQ(sql.uses, 1u);
}

TEST(SqlTest, WhatStandsBelowNotUsesContainmentToo) {
  EXPECT_EQ(Compile("NOT (tags.site != 'munich' OR NOT tags.a IN ['x', 2])").text,
            "((t.tags @> $3::jsonb) AND ((t.tags @> $4::jsonb) OR (t.tags @> $5::jsonb)))");
  EXPECT_EQ(Compile("ARRAY_CONTAINS(tags.list, 'x')").parameters[0], R"({"list":["x"]})");
}

TEST(SqlTest, InsideOtherExpressionsTheThirdValueMatters) {
  EXPECT_EQ(Compile("(tags.site = 'munich') = false").text,
            "((CASE WHEN jsonb_typeof((t.tags -> $3::text)) NOT IN ('object', 'array') "
            "THEN (t.tags -> $3::text) = $4::jsonb END) = FALSE)");
}

TEST(SqlTest, ConditionsOnIndexedPathsUseTheIndexedExpression) {
  const std::vector<IndexExpression> indexes = IndexExpressions(kIndexed[0], kBinding);
  ASSERT_EQ(indexes.size(), 2u);
  EXPECT_EQ(indexes[0].text,
            "(CASE WHEN jsonb_typeof((t.desired #> '{\"fw\",\"v\"}'::text[])) = 'string' "
            "THEN (t.desired #> '{\"fw\",\"v\"}'::text[]) #>> '{}' END)");
  const std::string in_query =
      "(CASE WHEN jsonb_typeof((t.desired #> $3::text[])) = 'string' THEN (t.desired #> $3::text[]) #>> '{}' END)";
  EXPECT_EQ(Compile("properties.desired.fw.v = '2'").text, "(" + in_query + " = $4::text COLLATE \"C\")");
  EXPECT_EQ(Compile("properties.desired.fw.v < '2'").text, "(" + in_query + " < $4::text COLLATE \"C\")");
  EXPECT_EQ(Compile("properties.desired.fw.v IN ['1', '2']").text,
            "(" + in_query + " = ANY($4::text[] COLLATE \"C\"))");
  EXPECT_EQ(Compile("STARTSWITH(properties.desired.fw.v, '2')").text, "(" + in_query + " ^@ $4::text COLLATE \"C\")");
}

TEST(SqlTest, IndexDefinitionsQuoteTheirKeys) {
  const Path path = {{"tags"}, {"it's"}};
  EXPECT_EQ(
      IndexExpressions(path, kBinding)[1].text,
      "(CASE WHEN jsonb_typeof((t.tags -> 'it''s'::text)) = 'number' THEN ((t.tags -> 'it''s'::text))::numeric END)");
  EXPECT_TRUE(IndexExpressions({{"deviceId"}}, kBinding).empty());
  EXPECT_TRUE(IndexExpressions({{"tags"}}, kBinding).empty());
}

TEST(SqlTest, DeviceIdsUseTheKey) {
  EXPECT_EQ(Compile("deviceId = 'x'").text, "(t.device_id = $3::text COLLATE \"C\")");
  const Sql in = Compile(R"(DeviceId IN ['a"b\\', 5, 'c'])");
  EXPECT_EQ(in.text, "(t.device_id = ANY($3::text[] COLLATE \"C\"))");
  EXPECT_THAT(in.parameters, ElementsAre(R"({"a\"b\\","c"})"));
  EXPECT_EQ(Compile("STARTSWITH(deviceId, 'p')").text, "(t.device_id ^@ $3::text COLLATE \"C\")");
}

TEST(SqlTest, NothingOfTheUserBecomesText) {
  const std::string_view hostile[] = {"x'; DROP TABLE y --", "$$", "a\\b", "%_", "/*", "]", "\"", "\u2019"};
  for (const std::string_view word : hostile) {
    std::string quoted = "'";
    for (const char c : word) quoted += (c == '\'' || c == '\\') ? std::string("\\") + c : std::string(1, c);
    quoted += "'";
    const std::string path = "properties.desired[" + quoted + "].a";
    EXPECT_EQ(Compile(path + " > " + quoted).text,
              "((CASE WHEN jsonb_typeof((t.desired #> $3::text[])) = 'string' THEN (t.desired #> $3::text[]) #>> '{}' "
              "END) > $4::text COLLATE \"C\")");
  }
}

TEST(SqlTest, RemembersWhichTablesItNeeds) {
  EXPECT_EQ(Compile("lastActivityTime > '2026-01-01' AND deviceId = 'x'").uses, 3u);
  EXPECT_EQ(Compile("lastActivityTime > '2026-01-01'").parameters[0], "2026-01-01T00:00:00.000000Z");
}

TEST(SqlTest, KnowsWhenAnIndexFindsTheRows) {
  for (const char* condition :
       {"tags.a = 1", "tags.a = 1 AND version > 2", "tags.a = 1 OR tags.b IN [2, 'x']",
        "NOT (tags.a != 1 OR version = 2)", "ARRAY_CONTAINS(tags.a, 1)", "properties.desired.fw.v < '2'",
        "properties.desired.fw.v IN ['1', 2]", "STARTSWITH(properties.desired.fw.v, '2')"}) {
    EXPECT_TRUE(Compile(condition).is_indexed) << condition;
  }
  for (const char* condition :
       {"tags.a > 1", "tags.a = 1 OR version = 2", "NOT tags.a = 1", "NOT (tags.a = 1 AND tags.b != 2)",
        "tags.a NIN [1]", "tags.a IN [1, tags.b]", "(tags.a = 1) = true", "properties.desired.fw.v != '2'",
        "properties.desired.x = 1", "deviceId = 'x'", "true", "tags.a = 1 OR true"}) {
    EXPECT_FALSE(Compile(condition).is_indexed) << condition;
  }
}

TEST(SqlTest, ConstantsAreFolded) {
  EXPECT_EQ(Compile("1 + 1 = 2 AND undefined OR 1 / 0 = 1").text, "NULL::boolean");
  EXPECT_EQ(Compile("version = 2 * 3 + 1").parameters, std::vector<std::string>{"7"});
}

TEST(SqlTest, NothingGrowsFasterThanTheTextOfTheQuery) {
  std::string nested = "version";
  for (int i = 0; i < 60; ++i)
    nested = i % 3 == 0   ? "SQUARE(" + nested + ")"
             : i % 3 == 1 ? "(" + nested + " / version)"
                          : "POWER(" + nested + ", 2)";
  EXPECT_LT(Compile(nested + " IN [tags.a, lastActivityTime, 3]").text.size(), size_t{64} * 1024);
}

TEST(SqlTest, HasNoParameterThatItsTextDoesNotUse) {
  const Sql sql = Compile("(tags.a.b = undefined) = false OR tags.c > 1");
  EXPECT_EQ(sql.parameters.size(), 2u);
  EXPECT_THAT(sql.text, ::testing::HasSubstr("((t.tags -> $3::text))::numeric END) > $4::numeric"));
}

TEST(SqlTest, UnknownMembersAreUndefined) {
  EXPECT_EQ(Compile("myProp = 1").text, "NULL::boolean");
  EXPECT_EQ(Compile("IS_DEFINED(myProp)").text, "FALSE");
  EXPECT_EQ(Compile("IS_DEFINED(properties)").text, "TRUE");
  EXPECT_EQ(Compile("deviceId.x = 1").text, "NULL::boolean");
}

}  // namespace
}  // namespace fleetcast::query
