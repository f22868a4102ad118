#include "libs/model/etag.h"

#include "gtest/gtest.h"

namespace fleetcast {
namespace {

TEST(EtagTest, LooksLikeTheRealOnes) {
  EXPECT_EQ(TwinEtag(1), "AAAAAAAAAAE=");
  EXPECT_EQ(TwinEtag(2), "AAAAAAAAAAI=");
  EXPECT_EQ(DeviceEtag(348714940), "MzQ4NzE0OTQw");
}

TEST(EtagConditionTest, AcceptsBareQuotedAndWeakTags) {
  for (const std::string_view text : {"AAE=", "\"AAE=\"", "W/\"AAE=\""}) {
    const EtagCondition condition = EtagCondition::Parse(text);
    EXPECT_EQ(condition.tag(), "AAE=") << text;
    EXPECT_TRUE(condition.Matches("AAE="));
    EXPECT_FALSE(condition.Matches("aae="));
  }
}

TEST(EtagConditionTest, TakesAStarForAnyVersion) {
  for (const std::string_view text : {"*", "\"*\""}) {
    EXPECT_TRUE(EtagCondition::Parse(text).any()) << text;
    EXPECT_TRUE(EtagCondition::Parse(text).Matches("AAE="));
  }
}

TEST(EtagConditionTest, TakesNothingForNoCondition) {
  for (const std::string_view text : {"", "\"\"", "W/\"\""}) {
    EXPECT_TRUE(EtagCondition::Parse(text).absent()) << text;
    EXPECT_FALSE(EtagCondition::Parse(text).any());
    EXPECT_TRUE(EtagCondition::Parse(text).Matches("AAE="));
  }
}

TEST(EtagConditionTest, KeepsALoneQuoteAsPartOfTheTag) { EXPECT_EQ(EtagCondition::Parse("\"").tag(), "\""); }

}  // namespace
}  // namespace fleetcast
