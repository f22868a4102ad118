#include "libs/telemetry/log.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/telemetry/trace.h"

namespace fleetcast::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class LogTest : public ::testing::Test {
 protected:
  // What `log` writes in the JSON form.
  template <typename Action>
  static std::string Capture(Action log, LogLevel level = LogLevel::kInfo) {
    InitLogging({.service = "fleetcast-test", .level = level, .stream = LogStream::kStdout});
    ::testing::internal::CaptureStdout();
    log();
    return ::testing::internal::GetCapturedStdout();
  }
};

TEST_F(LogTest, WritesOneJsonLineWithTypedFields) {
  const std::string line = Capture([] {
    FLEETCAST_LOG(kWarning, "edge \"gone\"",
                  {{"edge", "e-1"},
                   {"count", 3},
                   {"share", 0.5},
                   {"known", true},
                   {"after", absl::Milliseconds(1500)},
                   {"error", absl::NotFoundError("no such edge")}});
  });
  EXPECT_THAT(line, MatchesRegex("\\{\"ts\":\"[0-9-]+T[0-9:]+\\.[0-9]{6}Z\",\"level\":\"warning\",.*\\}\n"));
  EXPECT_THAT(line,
              HasSubstr("\"msg\":\"edge \\\"gone\\\"\",\"service\":\"fleetcast-test\",\"edge\":\"e-1\",\"count\":3,"
                        "\"share\":0.5,\"known\":true,\"after\":1.5,\"error\":\"NOT_FOUND: no such edge\"}"));
}

TEST_F(LogTest, DropsWhatIsBelowTheLevel) {
  int evaluated = 0;
  const std::string lines = Capture([&] {
    FLEETCAST_LOG(kDebug, "quiet", {{"n", ++evaluated}});
    SetLogLevel(LogLevel::kDebug);
    FLEETCAST_LOG(kDebug, "loud", {{"n", ++evaluated}});
  });
  EXPECT_EQ(evaluated, 1);
  EXPECT_THAT(lines, Not(HasSubstr("quiet")));
  EXPECT_THAT(lines, HasSubstr("loud"));
}

TEST_F(LogTest, CarriesTheThreadsTrace) {
  const std::string line = Capture([] {
    const ScopedTrace scope(ParseTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    FLEETCAST_LOG(kInfo, "traced");
  });
  EXPECT_THAT(line, HasSubstr("\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"b7ad6b7169203331\","
                              "\"trace_flags\":\"01\""));
}

TEST_F(LogTest, LimitsOneLineOfCodeAndCountsTheRest) {
  const std::string lines = Capture([] {
    for (int i = 0; i < 5; ++i) FLEETCAST_LOG_EVERY(kInfo, absl::Hours(1), "often", {{"i", i}});
  });
  EXPECT_THAT(lines, HasSubstr("\"i\":0}"));
  EXPECT_THAT(lines, Not(HasSubstr("\"i\":1")));
}

TEST(LogRateLimitTest, LetsOnePassPerPeriod) {
  LogRateLimit limit;
  EXPECT_EQ(limit.Pass(absl::Seconds(100), absl::Seconds(10)), 0);
  EXPECT_EQ(limit.Pass(absl::Seconds(101), absl::Seconds(10)), std::nullopt);
  EXPECT_EQ(limit.Pass(absl::Seconds(109), absl::Seconds(10)), std::nullopt);
  EXPECT_EQ(limit.Pass(absl::Seconds(110), absl::Seconds(10)), 2);
}

TEST(LogLevelTest, ParsesItsNames) {
  EXPECT_EQ(ParseLogLevel("warning"), LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("loud"), std::nullopt);
}

}  // namespace
}  // namespace fleetcast::telemetry
