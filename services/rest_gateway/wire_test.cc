#include "services/rest_gateway/wire.h"

#include <gtest/gtest.h>

namespace fleetcast::rest_gateway {
namespace {

std::optional<std::string> IfMatchOf(const std::string& value) {
  http::Request request;
  request.headers = {{"If-Match", value}};
  return IfMatch(request);
}

TEST(IfMatchTest, StripsWeaknessAndQuotes) {
  EXPECT_EQ(IfMatchOf("\"abc\""), "abc");
  EXPECT_EQ(IfMatchOf("abc"), "abc");
  EXPECT_EQ(IfMatchOf("W/\"abc\""), "abc");
  EXPECT_EQ(IfMatchOf("\"*\""), "*");
  EXPECT_EQ(IfMatchOf(""), std::nullopt);
  EXPECT_EQ(IfMatchOf("\"\""), std::nullopt);
  EXPECT_EQ(IfMatch({}), std::nullopt);
}

TEST(ObjectWriterTest, WritesMembersInOrder) {
  EXPECT_EQ(ObjectWriter().Text("a", "\"x\"").Json("b", "").Integer("c", -1).Bool("d", true).Finish(),
            R"({"a":"\"x\"","b":null,"c":-1,"d":true})");
  EXPECT_EQ(ObjectWriter().Finish(), "{}");
}

TEST(ObjectWriterTest, WritesSevenDigitsAndNever) {
  EXPECT_EQ(ObjectWriter().Time("t", absl::FromUnixMicros(1'800'000'000'123'456)).Finish(),
            R"({"t":"2027-01-15T08:00:00.1234560Z"})");
  EXPECT_EQ(ObjectWriter().Time("t", absl::InfinitePast()).Finish(), R"({"t":"0001-01-01T00:00:00Z"})");
}

}  // namespace
}  // namespace fleetcast::rest_gateway
