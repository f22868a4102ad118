#include "libs/postgres/array.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/postgres/result.h"
#include "libs/postgres/statement.h"

namespace fleetcast::postgres {
namespace {

using Elements = std::vector<std::optional<std::string>>;

TEST(ArrayTest, WritesWhatItReads) {
  for (const Elements& elements : {Elements{}, Elements{"a"}, Elements{"a b", std::nullopt, "", "NULL"},
                                   Elements{"quote\" backslash\\ comma, {brace}", "tab\t"}}) {
    EXPECT_EQ(ParseArrayLiteral(ToArrayLiteral(elements)), elements);
  }
}

TEST(ArrayTest, ReadsUnquotedElements) {
  EXPECT_EQ(ParseArrayLiteral("{1,NULL,x}"), (Elements{"1", std::nullopt, "x"}));
}

TEST(ArrayTest, RefusesWhatIsNoArray) {
  for (const char* text : {"", "{", "1", "{1", "{1,}", "{\"a}", "{a}b", "{{1},{2}}"}) {
    EXPECT_EQ(ParseArrayLiteral(text), std::nullopt) << text;
  }
}

TEST(ParamsTest, TurnsValuesIntoText) {
  const Params params = Params::Of("x", 7, true, Bytes{"\x01z"}, std::optional<int>(), std::vector<int64_t>{1, 2},
                                   absl::FromUnixMicros(1'500'000));
  EXPECT_THAT(params.values(), testing::ElementsAre("x", "7", "t", "\\x017a", std::nullopt, "{\"1\",\"2\"}",
                                                    "1970-01-01 00:00:01.500000+00"));
}

TEST(ParamsTest, RefusesTextWithNulAlsoInsideArrays) {
  EXPECT_FALSE(Params::Of(std::string("a\0b", 3)).status().ok());
  EXPECT_FALSE(Params::Of(std::vector<std::string>{std::string("a\0b", 3)}).status().ok());
}

TEST(ResultTest, ReadsTimesWithMicroseconds) {
  absl::Time time;
  ASSERT_TRUE(internal::Parse("2026-11-21 01:42:00.123456+00", time));
  EXPECT_EQ(absl::FormatTime(time, absl::UTCTimeZone()), "2026-11-21T01:42:00.123456+00:00");
  EXPECT_TRUE(internal::Parse("2026-11-21 01:42:00+00", time));
  EXPECT_FALSE(internal::Parse("2026-11-21 01:42:00+02", time));
}

}  // namespace
}  // namespace fleetcast::postgres
