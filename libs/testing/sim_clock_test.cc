#include "libs/testing/sim_clock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libs/testing/wait_for.h"

namespace fleetcast::testing {
namespace {

TEST(SimClockTest, SleepEndsWhenTimeHasAdvanced) {
  SimClock clock;
  std::atomic<bool> slept = false;
  std::jthread sleeper([&](std::stop_token stop) { slept = clock.Sleep(absl::Seconds(10), stop); });
  ASSERT_TRUE(WaitFor([&] { return clock.sleepers() == 1; }));
  clock.Advance(absl::Seconds(9));
  EXPECT_EQ(clock.sleepers(), 1);
  clock.Advance(absl::Seconds(1));
  EXPECT_TRUE(WaitFor([&] { return slept.load(); }));
}

TEST(SimClockTest, SleepEndsOnStop) {
  SimClock clock;
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(clock.Sleep(absl::Hours(1), stop.get_token()));
}

TEST(SimClockTest, AJumpOfTheWallMovesOnlyTheWall) {
  SimClock clock;
  const absl::Time wall = clock.Now();
  const absl::Duration monotonic = clock.Monotonic();
  clock.JumpWall(-absl::Seconds(90));
  EXPECT_EQ(clock.Now(), wall - absl::Seconds(90));
  EXPECT_EQ(clock.Monotonic(), monotonic);
}

}  // namespace
}  // namespace fleetcast::testing
