#include "services/mqtt_edge/loop/drain_schedule.h"

#include <algorithm>
#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fleetcast::mqtt_edge {
namespace {

using ::testing::UnorderedElementsAreArray;

constexpr absl::Duration kStart = absl::Seconds(1000);

// Counts up; the order of an edge does not have to be good, only not that of its connects.
class CountingRandom final : public Random {
 public:
  uint64_t Next() override { return next_ += 7; }

 private:
  uint64_t next_ = 0;
};

std::vector<SessionId> Sessions(size_t count) {
  std::vector<SessionId> sessions(count);
  std::iota(sessions.begin(), sessions.end(), SessionId{1});
  return sessions;
}

class DrainScheduleTest : public ::testing::Test {
 protected:
  // How many are taken by `now`, looking every 10 ms as a loop does.
  size_t TakeUntil(DrainSchedule& schedule, absl::Duration now) {
    for (; at_ <= now; at_ += absl::Milliseconds(10)) {
      const std::vector<SessionId> due = schedule.TakeDue(at_, random_);
      taken_.insert(taken_.end(), due.begin(), due.end());
    }
    return taken_.size();
  }

  CountingRandom random_;
  absl::Duration at_ = kStart;
  std::vector<SessionId> taken_;
};

TEST_F(DrainScheduleTest, DSt1ClosesEvenlyOverTheTime) {
  DrainSchedule schedule(Sessions(6000), {.over = absl::Seconds(60)}, kStart);
  EXPECT_NEAR(static_cast<double>(TakeUntil(schedule, kStart + absl::Seconds(15))), 1500, 2);
  EXPECT_NEAR(static_cast<double>(TakeUntil(schedule, kStart + absl::Seconds(30))), 3000, 2);
  EXPECT_EQ(TakeUntil(schedule, kStart + absl::Seconds(60)), 6000u);
  EXPECT_EQ(schedule.NextAt(), absl::InfiniteDuration());
}

TEST_F(DrainScheduleTest, EachGoesOnceAndNotInTheOrderInWhichTheyCame) {
  DrainSchedule schedule(Sessions(1000), {.over = absl::Seconds(2)}, kStart);
  TakeUntil(schedule, kStart + absl::Seconds(2));
  EXPECT_THAT(taken_, UnorderedElementsAreArray(Sessions(1000)));
  EXPECT_FALSE(std::is_sorted(taken_.begin(), taken_.end()));
}

TEST_F(DrainScheduleTest, FewAreDoneSoon) {
  DrainSchedule schedule(Sessions(10), {.over = absl::Seconds(60), .closes_per_second_min = 100}, kStart);
  EXPECT_EQ(TakeUntil(schedule, kStart + absl::Milliseconds(100)), 10u);
}

TEST_F(DrainScheduleTest, ARateMeansWhatItSaysAlsoWithFew) {
  DrainSchedule schedule(Sessions(10), {.over = {}, .closes_per_second = 0.5, .closes_per_second_min = 100}, kStart);
  EXPECT_EQ(TakeUntil(schedule, kStart), 1u);
  EXPECT_EQ(schedule.NextAt(), kStart + absl::Seconds(2));
  EXPECT_EQ(TakeUntil(schedule, kStart + absl::Milliseconds(1990)), 1u);
  EXPECT_EQ(TakeUntil(schedule, kStart + absl::Milliseconds(2020)), 2u);
}

TEST_F(DrainScheduleTest, NoTimeIsAtOnce) {
  DrainSchedule schedule(Sessions(500), {.over = absl::ZeroDuration()}, kStart);
  EXPECT_EQ(schedule.NextAt(), kStart);
  EXPECT_EQ(schedule.TakeDue(kStart, random_).size(), 500u);
}

TEST_F(DrainScheduleTest, ALoopThatStoodStillDoesNotCloseAllThatItMissed) {
  DrainSchedule schedule(Sessions(6000), {.over = absl::Seconds(60)}, kStart);
  schedule.TakeDue(kStart, random_);
  EXPECT_EQ(schedule.TakeDue(kStart + absl::Seconds(20), random_).size(), 25u);
}

TEST_F(DrainScheduleTest, AnotherPaceCountsFromItsMoment) {
  DrainSchedule schedule(Sessions(601), {.over = absl::Seconds(600)}, kStart);
  TakeUntil(schedule, kStart + absl::Milliseconds(10));
  schedule.ChangePace({.over = absl::Seconds(6)}, kStart + absl::Milliseconds(20));
  EXPECT_NEAR(static_cast<double>(TakeUntil(schedule, kStart + absl::Seconds(3))), 300, 5);
  schedule.ChangePace({.over = absl::ZeroDuration()}, at_);
  EXPECT_EQ(TakeUntil(schedule, at_), 601u);
}

TEST_F(DrainScheduleTest, NothingToCloseIsNothingToWaitFor) {
  DrainSchedule schedule({}, {.over = absl::Seconds(60)}, kStart);
  EXPECT_EQ(schedule.NextAt(), absl::InfiniteDuration());
  EXPECT_TRUE(schedule.TakeDue(kStart + absl::Seconds(1), random_).empty());
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
