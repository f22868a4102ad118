#include "tools/fleetcast/output.h"

#include <gtest/gtest.h>

namespace fleetcast::cli {
namespace {

std::vector<Record> TwoRecords() {
  return {{json::Parse(R"({"id":"a","n":1})").value(), {"a", "1"}},
          {json::Parse(R"({"id":"long","n":22})").value(), {"long", "22"}}};
}

TEST(OutputTest, TablesLineUp) {
  EXPECT_EQ(FormatTable({"ID", "N"}, TwoRecords()),
            "ID    N\n"
            "a     1\n"
            "long  22\n");
}

TEST(OutputTest, WidthCountsCharactersNotBytes) {
  EXPECT_EQ(FormatTable({"ID", "N"}, {{json::Value(), {"é", "1"}}, {json::Value(), {"ab", "2"}}}),
            "ID  N\n"
            "é   1\n"
            "ab  2\n");
}

TEST(OutputTest, EscapeSequencesDoNotReachTheTerminal) {
  EXPECT_EQ(FormatTable({"ID"}, {{json::Value(), {"\x1b[31mred"}}}), "ID\n [31mred\n");
}

TEST(OutputTest, JsonListsAreOneDocumentOrALineEach) {
  EXPECT_EQ(FormatList(Format::kJsonl, {"ID", "N"}, TwoRecords()),
            "{\"id\":\"a\",\"n\":1}\n{\"id\":\"long\",\"n\":22}\n");
  EXPECT_EQ(FormatList(Format::kJson, {"ID", "N"}, {}), "[]\n");
  const auto document = json::Parse(FormatList(Format::kJson, {"ID", "N"}, TwoRecords()));
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->array().size(), 2u);
}

TEST(OutputTest, OneObjectLeavesOutEmptyCells) {
  EXPECT_EQ(FormatOne(Format::kTable, {"id", "why", "state"}, {json::Value(), {"j1", "", "running"}}),
            "id     j1\n"
            "state  running\n");
}

TEST(OutputTest, PrettyDocumentsAreIndented) {
  EXPECT_EQ(FormatPretty(json::Parse(R"({"a":{"b":[1,{}]},"c":[]})").value()),
            "{\n  \"a\": {\n    \"b\": [\n      1,\n      {}\n    ]\n  },\n  \"c\": []\n}\n");
}

}  // namespace
}  // namespace fleetcast::cli
