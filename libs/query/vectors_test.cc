// The test vectors of query-language.md 11 (testdata/vectors.json), at the level of this library. The tests of
// services/twin and tests/e2e send the same file through gRPC and REST.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "libs/base/status.h"
#include "libs/query/interpreter.h"
#include "libs/query/query.h"

namespace fleetcast::query {
namespace {

json::Value Vectors() {
  std::ifstream file("libs/query/testdata/vectors.json");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const absl::StatusOr<json::Value> vectors = json::Parse(text);
  EXPECT_TRUE(vectors.ok()) << "run from the root of the tree: " << vectors.status();
  return vectors.value_or(json::Value());
}

TEST(VectorsTest, ConditionsSelectWhatTheyShould) {
  const json::Value vectors = Vectors();
  ASSERT_TRUE(vectors.is_object());
  int tried = 0;
  for (const json::Value& vector : vectors.Find("conditions")->array()) {
    const std::string& text = vector.Find("text")->AsString();
    const absl::StatusOr<Condition> condition = ParseCondition(text);
    ASSERT_TRUE(condition.ok()) << text << ": " << condition.status();
    json::Value found = json::Value::MakeArray();
    for (json::Value document : vectors.Find("documents")->array()) {
      document.Set("status", json::Value::String("enabled"));
      if (Matches(*condition->expression, document)) found.array().push_back(*document.Find("deviceId"));
    }
    EXPECT_EQ(json::Print(found), json::Print(*vector.Find("matches"))) << text;
    ++tried;
  }
  EXPECT_EQ(tried, 24);
}

TEST(VectorsTest, RefusesWhatItMust) {
  const json::Value vectors = Vectors();
  ASSERT_TRUE(vectors.is_object());
  for (const json::Value& text : vectors.Find("refused")->array()) {
    EXPECT_EQ(GetReason(ParseQuery(text.AsString()).status()), kInvalidQuery) << text.AsString();
  }
  for (const json::Value& text : vectors.Find("refusedStrictly")->array()) {
    EXPECT_EQ(GetReason(ParseQuery(text.AsString(), Profile::kStrict).status()), kInvalidQuery) << text.AsString();
    EXPECT_TRUE(ParseQuery(text.AsString()).ok()) << text.AsString();
  }
}

}  // namespace
}  // namespace fleetcast::query
