#include "services/mqtt_edge/loop/buffer_budget.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fleetcast::mqtt_edge {
namespace {

using Pressure = BufferBudget::Pressure;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kNow = absl::Hours(5);

TEST(BufferBudgetTest, HoldsBeforeItSheds) {
  BufferBudget budget(1'000);
  EXPECT_EQ(budget.Look(799, kNow), Pressure::kNone);
  EXPECT_EQ(budget.Look(800, kNow), Pressure::kHold);
  EXPECT_EQ(budget.Look(949, kNow), Pressure::kHold);
  EXPECT_EQ(budget.Look(950, kNow), Pressure::kShed);
}

// Whoever is not read any more cannot finish its packet: without an end of it nothing would ever be accepted again.
TEST(BufferBudgetTest, WhatDoesNotPassIsShed) {
  BufferBudget budget(1'000);
  EXPECT_EQ(budget.Look(850, kNow), Pressure::kHold);
  EXPECT_EQ(budget.Look(850, kNow + absl::Seconds(4)), Pressure::kHold);
  EXPECT_EQ(budget.Look(850, kNow + absl::Seconds(5)), Pressure::kShed);
}

TEST(BufferBudgetTest, ReliefStartsTheTimeAnew) {
  BufferBudget budget(1'000);
  EXPECT_EQ(budget.Look(850, kNow), Pressure::kHold);
  EXPECT_EQ(budget.Look(700, kNow + absl::Seconds(4)), Pressure::kNone);
  EXPECT_EQ(budget.Look(850, kNow + absl::Seconds(6)), Pressure::kHold);
}

TEST(BufferBudgetTest, ZeroIsNoLimit) {
  BufferBudget budget(0);
  EXPECT_EQ(budget.Look(int64_t{1} << 50, kNow), Pressure::kNone);
}

TEST(BufferBudgetTest, EachLoopShedsItsShare) {
  const BufferBudget budget(1'000);
  EXPECT_EQ(budget.ToShed(1'000, 1'000), 300);
  EXPECT_EQ(budget.ToShed(1'000, 250), 75);
  EXPECT_EQ(budget.ToShed(600, 600), 0);
  EXPECT_EQ(budget.ToShed(0, 0), 0);
}

TEST(ChooseToShedTest, StrangersFirstThenWhoHoldsMost) {
  std::vector<ShedCandidate> candidates = {{1, true, 500}, {2, false, 10}, {3, true, 600}, {4, false, 20}};
  EXPECT_THAT(ChooseToShed(candidates, 1), ElementsAre(4));
  EXPECT_THAT(ChooseToShed(candidates, 25), ElementsAre(4, 2));
  EXPECT_THAT(ChooseToShed(candidates, 31), ElementsAre(4, 2, 3));
  EXPECT_THAT(ChooseToShed(candidates, 10'000), ElementsAre(4, 2, 3, 1));
  EXPECT_THAT(ChooseToShed(candidates, 0), IsEmpty());
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
