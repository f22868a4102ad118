#include "tools/fleetsim/behaviour.h"

#include <gtest/gtest.h>

namespace fleetcast::fleetsim {
namespace {

int Count(int devices, double ignore_share, double fail_share, Treatment treatment) {
  int count = 0;
  for (int i = 0; i < devices; ++i) count += TreatmentOf(i, ignore_share, fail_share) == treatment ? 1 : 0;
  return count;
}

TEST(BehaviourTest, SharesAreExact) {
  EXPECT_EQ(Count(1000, 0.1, 0.2, Treatment::kIgnore), 100);
  EXPECT_EQ(Count(1000, 0.1, 0.2, Treatment::kFail), 200);
  EXPECT_EQ(Count(1000, 0.1, 0.2, Treatment::kAnswer), 700);
  EXPECT_EQ(Count(2000, 0.05, 0, Treatment::kIgnore), 100);
  EXPECT_EQ(Count(10, 0.1, 0, Treatment::kIgnore), 1);
}

TEST(BehaviourTest, ZeroAndOneMeanNoneAndAll) {
  EXPECT_EQ(Count(5000, 0, 0, Treatment::kAnswer), 5000);
  EXPECT_EQ(Count(5000, 0, 1, Treatment::kFail), 5000);
  EXPECT_EQ(Count(5000, 1, 0, Treatment::kIgnore), 5000);
}

TEST(BehaviourTest, SpreadMirrorsDigits) {
  EXPECT_DOUBLE_EQ(Spread(0), 0);
  EXPECT_DOUBLE_EQ(Spread(1), 0.1);
  EXPECT_DOUBLE_EQ(Spread(12), 0.21);
}

TEST(BehaviourTest, QuirksAreSharesFromTheOtherEnd) {
  int twice = 0;
  int lies = 0;
  for (int64_t index = 0; index < 1000; ++index) {
    const Quirk quirk = QuirkOf(index, 0.05, 0.02);
    twice += quirk == Quirk::kAnswersTwice;
    lies += quirk == Quirk::kLies;
    EXPECT_TRUE(quirk == Quirk::kNone || TreatmentOf(index, 0.5, 0.4) == Treatment::kAnswer) << index;
  }
  EXPECT_EQ(twice, 50);
  EXPECT_EQ(lies, 20);
}

}  // namespace
}  // namespace fleetcast::fleetsim
