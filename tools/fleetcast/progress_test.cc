#include "tools/fleetcast/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ProgressTest, GroupsDigits) {
  EXPECT_EQ(GroupDigits(0), "0");
  EXPECT_EQ(GroupDigits(999), "999");
  EXPECT_EQ(GroupDigits(1'234'567), "1,234,567");
  EXPECT_EQ(GroupDigits(-1'000), "-1,000");
}

TEST(ProgressTest, TellsRateAndRemainingTime) {
  ProgressMeter meter;
  meter.Update({1000, 0, 0}, absl::Seconds(10));
  EXPECT_EQ(meter.remaining(), absl::InfiniteDuration());
  meter.Update({1000, 200, 0}, absl::Seconds(12));
  EXPECT_DOUBLE_EQ(meter.rate(), 100);
  EXPECT_EQ(meter.remaining(), absl::Seconds(8));
}

TEST(ProgressTest, TheRateForgetsWhatIsLongAgo) {
  ProgressMeter meter;
  meter.Update({1000, 0, 0}, absl::Seconds(0));
  for (int second = 1; second <= 20; ++second) meter.Update({1000, 500, 0}, absl::Seconds(second));
  EXPECT_DOUBLE_EQ(meter.rate(), 0);
}

TEST(ProgressTest, TheLineShowsAllFigures) {
  ProgressMeter meter;
  meter.Update({2000, 0, 0}, absl::Seconds(0));
  meter.Update({2000, 1000, 3}, absl::Seconds(1));
  const std::string line = meter.Line("lock-1 running", 120);
  EXPECT_THAT(line, HasSubstr("lock-1 running  [===")) << line;
  EXPECT_THAT(line, HasSubstr("1,000/2,000   50%  1,000/s  1s left  3 failed")) << line;
}

TEST(ProgressTest, TheBarGivesWayOnANarrowTerminal) {
  ProgressMeter meter;
  meter.Update({2000, 1000, 0}, absl::Seconds(0));
  EXPECT_THAT(meter.Line("lock-1 running", 40), Not(HasSubstr("[")));
  EXPECT_LE(meter.Line("lock-1 running", 10).size(), 10u);
}

TEST(ProgressTest, AJobWithoutTargetsHasALineToo) {
  ProgressMeter meter;
  meter.Update({0, 0, 0}, absl::Seconds(0));
  EXPECT_THAT(meter.Line("j queued", 80), HasSubstr("0/0"));
}

}  // namespace
}  // namespace fleetcast::cli
