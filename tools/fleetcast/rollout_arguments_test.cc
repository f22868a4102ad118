#include "tools/fleetcast/rollout_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>

#include <CLI/CLI.hpp>

#include "tools/fleetcast/rollout_text.h"

namespace fleetcast::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string MessageOf(const absl::Status& status) {
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(RolloutArgumentsTest, ReadsRamps) {
  const auto by_notified = ParseRamp("50,2,notified=1000");
  ASSERT_TRUE(by_notified.ok()) << by_notified.status();
  EXPECT_EQ(by_notified->base_rate_per_minute(), 50);
  EXPECT_EQ(by_notified->increment_factor(), 2);
  EXPECT_EQ(by_notified->number_of_notified_devices(), 1000);
  const auto by_succeeded = ParseRamp("1,1.25,succeeded=10");
  ASSERT_TRUE(by_succeeded.ok()) << by_succeeded.status();
  EXPECT_EQ(by_succeeded->increment_factor(), 1.25);
  EXPECT_EQ(by_succeeded->number_of_succeeded_devices(), 10);
}

TEST(RolloutArgumentsTest, SaysWhatIsWrongWithARampAndWhatIsRight) {
  for (const char* const text : {"", "50", "50,2", "50,2,1000", "x,2,notified=1", "50,two,notified=1",
                                 "50,2,notified=x", "50,2,notify=1", "50,2,notified=1,5"}) {
    EXPECT_THAT(MessageOf(ParseRamp(text).status()), AllOf(StartsWith("--ramp: "), HasSubstr("\ntry:   --ramp 50,2,")))
        << text;
  }
  EXPECT_THAT(MessageOf(ParseRamp("50,two,notified=1").status()), HasSubstr("\"two\""));
  EXPECT_THAT(MessageOf(ParseRamp("50,2,notify=1").status()), HasSubstr("\"notify\""));
}

TEST(RolloutArgumentsTest, ReadsAbortCriteria) {
  const auto full = ParseAbort("device-error=12.5%,min=100");
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->failure_type(), jobs::v1::FAILURE_TYPE_DEVICE_ERROR);
  EXPECT_EQ(full->threshold_percentage(), 12.5);
  EXPECT_EQ(full->min_number_of_executed_devices(), 100);
  const auto brief = ParseAbort("all=5");
  ASSERT_TRUE(brief.ok()) << brief.status();
  EXPECT_EQ(brief->threshold_percentage(), 5);
  EXPECT_EQ(brief->min_number_of_executed_devices(), 0);
}

TEST(RolloutArgumentsTest, SaysWhatIsWrongWithAnAbortCriterionAndWhatIsRight) {
  for (const char* const text : {"", "failed", "failed=", "failed=x%", "failed=5%,10", "failed=5%,max=10",
                                 "failed=5%,min=", "failed=5%,min=1,min=2", "failed>=5%"}) {
    EXPECT_THAT(MessageOf(ParseAbort(text).status()), AllOf(StartsWith("--abort: "), HasSubstr("\ntry:   --abort ")))
        << text;
  }
  EXPECT_THAT(MessageOf(ParseAbort("faild=5%,min=3").status()),
              AllOf(HasSubstr("all, failed, timed_out, device_error"), HasSubstr("try:   --abort failed=5%,min=3")));
  EXPECT_THAT(MessageOf(ParseAbort("not_online=5%").status()), HasSubstr("begins with none of"));
}

TEST(RolloutArgumentsTest, ReadsRetries) {
  const auto retry = ParseRetry("not_online=3");
  ASSERT_TRUE(retry.ok()) << retry.status();
  EXPECT_EQ(retry->failure_type(), jobs::v1::FAILURE_TYPE_NOT_ONLINE);
  EXPECT_EQ(retry->number_of_retries(), 3);
  for (const char* const text : {"", "3", "offline=3", "not_online", "not_online=", "not_online=x", "a=b=c"}) {
    EXPECT_THAT(MessageOf(ParseRetry(text).status()), AllOf(StartsWith("--retry: "), HasSubstr("\ntry:   --retry ")))
        << text;
  }
}

TEST(RolloutArgumentsTest, ChangesOnlyWhatIsGiven) {
  jobs::v1::RolloutPolicy policy;
  policy.set_in_flight_max(7);
  policy.add_abort_criteria();
  ASSERT_TRUE(ApplyRollout({.rate_per_minute = "1,200", .ramp = "50,2,notified=10"}, policy).ok());
  EXPECT_EQ(policy.maximum_per_minute(), 1200);
  EXPECT_EQ(policy.in_flight_max(), 7);
  EXPECT_EQ(policy.abort_criteria_size(), 1);
  EXPECT_TRUE(policy.has_exponential_rate());
  ASSERT_TRUE(ApplyRollout({.in_flight_max = "0", .ramp = "none", .aborts = {"none"}}, policy).ok());
  EXPECT_EQ(policy.maximum_per_minute(), 1200);
  EXPECT_EQ(policy.in_flight_max(), 0);
  EXPECT_EQ(policy.abort_criteria_size(), 0);
  EXPECT_FALSE(policy.has_exponential_rate());
}

TEST(RolloutArgumentsTest, RefusesNumbersThatAreNone) {
  jobs::v1::RolloutPolicy policy;
  for (const char* const text : {"x", "-1", "1.5", "600/min", "99999999999"}) {
    EXPECT_THAT(MessageOf(ApplyRollout({.rate_per_minute = text}, policy)), StartsWith("--rate-per-minute: ")) << text;
    EXPECT_THAT(MessageOf(ApplyRollout({.in_flight_max = text}, policy)), StartsWith("--in-flight-max: ")) << text;
  }
  EXPECT_THAT(MessageOf(ParsePriority("high").status()), StartsWith("--priority: "));
}

TEST(RolloutArgumentsTest, ReadsRangesOfPauses) {
  jobs::v1::RetryPolicy policy;
  ASSERT_TRUE(ApplyRetry({{"all=2"}, true, "5s..2m"}, policy).ok());
  EXPECT_TRUE(policy.idempotent());
  EXPECT_EQ(policy.backoff_min().seconds(), 5);
  EXPECT_EQ(policy.backoff_max().seconds(), 120);
  for (const char* const text : {"5s", "5s-2m", "5s..", "..2m", "5..2m", "1s..2s..3s"}) {
    EXPECT_THAT(MessageOf(ApplyRetry({{"all=2"}, true, text}, policy)), StartsWith("--backoff: ")) << text;
  }
}

TEST(RolloutArgumentsTest, RepeatedFlagsAddUpAndLeaveTheNextWordAlone) {
  CLI::App app;
  RolloutOptions rollout;
  RetryOptions retry;
  std::string id;
  app.add_option("id", id);
  AddRolloutOptions(app, rollout);
  AddRetryOptions(app, retry);
  const char* const line[] = {"job",     "--abort",  "failed=5%", "--retry", "not_online=3",
                              "--retry", "failed=1", "--abort",   "all=10%", "lock-1"};
  app.parse(static_cast<int>(std::size(line)), line);
  EXPECT_THAT(rollout.aborts, ::testing::ElementsAre("failed=5%", "all=10%"));
  EXPECT_THAT(retry.retries, ::testing::ElementsAre("not_online=3", "failed=1"));
  EXPECT_EQ(id, "lock-1");
}

TEST(RolloutArgumentsTest, WordsAboutRetriesNeedRetries) {
  jobs::v1::RetryPolicy policy;
  EXPECT_TRUE(ApplyRetry({}, policy).ok());
  EXPECT_THAT(MessageOf(ApplyRetry({{}, true, ""}, policy)), StartsWith("--idempotent says nothing without --retry"));
  EXPECT_THAT(MessageOf(ApplyRetry({{}, false, "1s..2s"}, policy)), StartsWith("--backoff says nothing"));
}

TEST(RolloutTextTest, SaysThePaceInOneLine) {
  jobs::v1::RolloutPolicy policy;
  EXPECT_EQ(PaceText(policy), "");
  ASSERT_TRUE(ApplyRollout({"3000", "200", "50,1.5,notified=1000", {"failed=5%,min=100", "all=12.5"}}, policy).ok());
  EXPECT_EQ(PaceText(policy), "ramp 50/min x 1.5 every 1,000 notified, at most 3,000/min, 200 in flight");
  EXPECT_EQ(AbortText(policy), "5% failed of at least 100, 12.5% all");
  jobs::v1::RetryPolicy retry;
  EXPECT_EQ(RetryText(retry), "");
  ASSERT_TRUE(ApplyRetry({{"timed_out=2", "not_online=3"}, true, "5s..2m"}, retry).ok());
  EXPECT_EQ(RetryText(retry), "timed_out 2, not_online 3 (pauses of 5s to 2m; idempotent)");
}

}  // namespace
}  // namespace fleetcast::cli
