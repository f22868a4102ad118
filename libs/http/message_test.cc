#include "libs/http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::http {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(TargetTest, SplitsBeforeDecodingAndDecodesOnce) {
  const std::optional<Target> target = ParseTarget("/devices/a%2Fb%23%3f%2541+c/");
  ASSERT_TRUE(target.has_value());
  EXPECT_THAT(target->segments, ElementsAre("devices", "a/b#?%41+c"));
}

TEST(TargetTest, QueryNamesHaveNoCaseAndPlusIsABlankThere) {
  const std::optional<Target> target = ParseTarget("/?API-Version=2021-04-12&top=&x=a+b%2B&&flag");
  ASSERT_TRUE(target.has_value());
  EXPECT_THAT(target->segments, ElementsAre());
  EXPECT_THAT(target->query,
              ElementsAre(Pair("api-version", "2021-04-12"), Pair("top", ""), Pair("x", "a b+"), Pair("flag", "")));
}

TEST(TargetTest, AbsoluteFormIgnoresTheHost) {
  EXPECT_THAT(ParseTarget("https://other:1/twins/d?x=1")->segments, ElementsAre("twins", "d"));
  EXPECT_THAT(ParseTarget("http://other")->segments, ElementsAre());
}

TEST(TargetTest, RefusesWhatItCannotRead) {
  for (const char* target : {"", "*", "host:443", "devices", "/a%2", "/a%zz", "/a%00b", "/a?x=%00", "/a#b"}) {
    EXPECT_FALSE(ParseTarget(target).has_value()) << target;
  }
}

TEST(RequestTest, FindsHeadersInAnyCaseAndTrimsThem) {
  Request request;
  request.headers = {{"If-Match", " \"a\" "}, {"X", "1"}, {"x", "2"}};
  EXPECT_EQ(request.FindHeader("if-match"), "\"a\"");
  EXPECT_EQ(request.FindHeader("X"), "1");
  EXPECT_EQ(request.CountHeader("X"), 2u);
  EXPECT_FALSE(request.FindHeader("y").has_value());
}

}  // namespace
}  // namespace fleetcast::http
