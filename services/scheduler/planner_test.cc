#include "services/scheduler/planner.h"

#include <gtest/gtest.h>

#include <map>

namespace fleetcast::scheduler {
namespace {

TEST(PlannerTest, GivesNothingWithoutWorkOrRoom) {
  Planner planner;
  EXPECT_FALSE(planner.Next(1000).has_value());
  planner.SetReady(1, 10);
  EXPECT_FALSE(planner.Next(0).has_value());
  EXPECT_TRUE(planner.Next(1).has_value());
}

TEST(PlannerTest, ATurnIsAtMostOneSubBatch) {
  Planner planner;
  planner.SetReady(1, 10'000);
  EXPECT_EQ(planner.Next(100'000)->targets, 250);
}

TEST(PlannerTest, ASmallJobIsServedNextToABigOne) {
  Planner planner;
  planner.SetReady(1, 1'000'000);
  planner.SetReady(2, 10);
  std::map<int64_t, int> served;
  for (int i = 0; i < 2; ++i) {
    const auto turn = planner.Next(100'000);
    served[turn->job_seq] += turn->targets;
  }
  EXPECT_EQ(served[1], 250);
  EXPECT_EQ(served[2], 10);
}

TEST(PlannerTest, JobsShareEvenly) {
  Planner planner;
  std::map<int64_t, int> served;
  for (int64_t job = 1; job <= 3; ++job) planner.SetReady(job, 100'000);
  for (int i = 0; i < 300; ++i) {
    const auto turn = planner.Next(1'000'000);
    served[turn->job_seq] += turn->targets;
  }
  EXPECT_EQ(served[1], 25'000);
  EXPECT_EQ(served[2], 25'000);
  EXPECT_EQ(served[3], 25'000);
}

TEST(PlannerTest, ATurnCutShortByTheCreditGoesOn) {
  Planner planner;
  planner.SetReady(1, 1000);
  planner.SetReady(2, 1000);
  EXPECT_EQ(planner.Next(100)->targets, 100);
  const auto rest = planner.Next(1000);
  EXPECT_EQ(rest->job_seq, 1);
  EXPECT_EQ(rest->targets, 150);
  EXPECT_EQ(planner.Next(1000)->job_seq, 2);
}

TEST(PlannerTest, AJobWithSilentDevicesLeavesRoomForOthers) {
  Planner planner;
  planner.SetReady(1, 1'000'000);
  int64_t free = 9'000;
  while (const auto turn = planner.Next(free)) {
    planner.Took(turn->job_seq, turn->targets);
    free -= turn->targets;
  }
  EXPECT_GT(free, 700);  // A ninth, less at most one turn.
  planner.SetReady(2, 10);
  const auto turn = planner.Next(free);
  ASSERT_TRUE(turn.has_value());
  EXPECT_EQ(turn->job_seq, 2);
  planner.Released(1, 5'000);
  EXPECT_EQ(planner.Next(free + 5'000)->job_seq, 1);
}

TEST(PlannerTest, PriorityWeighsTurns) {
  EXPECT_EQ(QuantumOf(5), 250);
  EXPECT_EQ(QuantumOf(9), 4'000);
  EXPECT_EQ(QuantumOf(1), 15);
  Planner planner;
  std::map<int64_t, int> served;
  for (int64_t job = 1; job <= 3; ++job) planner.SetReady(job, 1'000'000);
  planner.SetPriority(1, 4);
  planner.SetPriority(3, 7);
  for (int total = 0; total < 137'500;) {
    const auto turn = planner.Next(1'000'000);
    EXPECT_LE(turn->targets, 250);
    served[turn->job_seq] += turn->targets;
    total += turn->targets;
  }
  EXPECT_EQ(served[1], 12'500);
  EXPECT_EQ(served[2], 25'000);
  EXPECT_EQ(served[3], 100'000);
}

TEST(PlannerTest, APacedJobTakesNoMoreThanItMayAndHoldsUpNobody) {
  Planner planner;
  planner.SetReady(1, 1'000);
  planner.SetReady(2, 1'000);
  planner.SetPace(1, 7);
  EXPECT_EQ(planner.Next(10'000)->targets, 7);
  int other = 0;
  while (const auto turn = planner.Next(10'000)) {
    EXPECT_EQ(turn->job_seq, 2);
    other += turn->targets;
  }
  EXPECT_EQ(other, 1'000);
  planner.SetPace(1, 3);
  EXPECT_EQ(planner.Next(10'000)->targets, 3);
  planner.SetPace(1, std::nullopt);
  EXPECT_EQ(planner.Next(10'000)->targets, 240);  // The rest of its turn.
}

TEST(PlannerTest, ForgottenJobsGetNoTurn) {
  Planner planner;
  planner.SetReady(1, 10);
  planner.SetReady(2, 10);
  planner.Forget(1);
  EXPECT_EQ(planner.Next(100)->job_seq, 2);
  EXPECT_FALSE(planner.Next(100).has_value());
}

TEST(PlannerTest, TurnsAreAsLargeAsTheLaneWants) {
  Planner planner(1000);
  planner.SetReady(1, 2500);
  planner.SetReady(2, 10);
  EXPECT_EQ(planner.Next(100'000)->targets, 1000);
  EXPECT_EQ(planner.Next(100'000)->job_seq, 2);
  EXPECT_EQ(planner.Next(100'000)->targets, 1000);
  EXPECT_EQ(planner.Next(100'000)->targets, 500);
}

}  // namespace
}  // namespace fleetcast::scheduler
