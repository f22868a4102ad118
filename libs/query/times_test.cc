#include <gtest/gtest.h>

#include "libs/query/query.h"

namespace fleetcast::query {
namespace {

TEST(TimesTest, NormalizesTimes) {
  EXPECT_EQ(NormalizeTime("2026-03-04"), "2026-03-04T00:00:00.000000Z");
  EXPECT_EQ(NormalizeTime("2026-03-04T05:06"), "2026-03-04T05:06:00.000000Z");
  EXPECT_EQ(NormalizeTime("2026-03-04T05:06:07.1234567Z"), "2026-03-04T05:06:07.123456Z");
  EXPECT_EQ(NormalizeTime("2026-03-04T05:06:07.5"), "2026-03-04T05:06:07.500000Z");
  EXPECT_EQ(NormalizeTime("2026-03-04T05:06:07+02:00"), "2026-03-04T03:06:07.000000Z");
  EXPECT_EQ(NormalizeTime("2026-03-01T00:30:00+01:00"), "2026-02-28T23:30:00.000000Z");
  EXPECT_EQ(NormalizeTime("2024-02-29"), "2024-02-29T00:00:00.000000Z");
  EXPECT_EQ(NormalizeTime("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00.000000Z");
}

TEST(TimesTest, OtherTextsAreNoTimes) {
  for (const std::string_view text : {"",
                                      "yesterday",
                                      "2026-13-01",
                                      "2026-00-01",
                                      "2026-01-00",
                                      "26-03-04",
                                      "12026-03-04",
                                      "2026-02-29",
                                      "2026-04-31",
                                      "0000-01-01",
                                      "2026-03-04T25:00:00Z",
                                      "2026-03-04T05:60",
                                      "2026-03-04T05:06:60",
                                      "2026-03-04T05:06:07.Z",
                                      "2026-03-04 05:06:07",
                                      "2026-03-04T05:06:07z",
                                      "2026-03-04T05",
                                      "2026-03-04T",
                                      "2026-03-04Z",
                                      "2026-03-04T05:06:07+16:00",
                                      "2026-03-04T05:06:07+0200",
                                      "0001-01-01T00:00:00+01:00",
                                      "9999-12-31T23:59:59-01:00",
                                      "2026-03-04T05:06:07Z ",
                                      " 2026-03-04"}) {
    EXPECT_EQ(NormalizeTime(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace fleetcast::query
