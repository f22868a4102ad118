#include "tools/fleetcast/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::cli {
namespace {

TEST(ArgumentsTest, ReadsSpans) {
  EXPECT_EQ(ParseSpan("--timeout", "1h30m").value(), absl::Minutes(90));
  EXPECT_EQ(ParseSpan("--timeout", "0s").value(), absl::ZeroDuration());
}

TEST(ArgumentsTest, RefusesSpansThatAreNone) {
  for (const char* const text : {"", "5", "-1s", "inf", "soon"}) {
    const auto span = ParseSpan("--timeout", text);
    EXPECT_TRUE(absl::IsInvalidArgument(span.status())) << text;
    EXPECT_THAT(std::string(span.status().message()), testing::HasSubstr("--timeout"));
  }
}

TEST(ArgumentsTest, ReadsInstantsAndDistancesFromNow) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(ParseInstant("--start", "+5m", now).value(), now + absl::Minutes(5));
  EXPECT_EQ(ParseInstant("--start", "2027-01-15T08:00:00Z", now).value(), now);
  EXPECT_FALSE(ParseInstant("--start", "tomorrow", now).ok());
}

}  // namespace
}  // namespace fleetcast::cli
