#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/loop/timer_wheel.h"

namespace fleetcast::mqtt_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<uint32_t> Advance(TimerWheel& wheel, int64_t tick) {
  std::vector<uint32_t> fired;
  wheel.Advance(tick, &fired);
  return fired;
}

TEST(TimerWheelTest, FiresAtItsTick) {
  TimerWheel wheel(100);
  wheel.Schedule(3, 102);
  wheel.Schedule(4, 102);
  wheel.Schedule(5, 103);
  EXPECT_THAT(Advance(wheel, 101), IsEmpty());
  EXPECT_THAT(Advance(wheel, 102), UnorderedElementsAre(3, 4));
  EXPECT_THAT(Advance(wheel, 110), ElementsAre(5));
  EXPECT_THAT(Advance(wheel, 5000), IsEmpty());
}

TEST(TimerWheelTest, PastDeadlinesFireAtTheNextTick) {
  TimerWheel wheel(100);
  wheel.Schedule(1, 50);
  EXPECT_THAT(Advance(wheel, 101), ElementsAre(1));
}

TEST(TimerWheelTest, FarDeadlinesFireEarlyAtTheRim) {
  TimerWheel wheel(0);
  wheel.Schedule(1, 10 * TimerWheel::kTicks);
  EXPECT_THAT(Advance(wheel, TimerWheel::kTicks - 2), IsEmpty());
  EXPECT_THAT(Advance(wheel, TimerWheel::kTicks - 1), ElementsAre(1));
}

TEST(TimerWheelTest, ScheduleReplacesAndCancelRemoves) {
  TimerWheel wheel(0);
  wheel.Schedule(1, 5);
  wheel.Schedule(2, 5);
  wheel.Schedule(3, 5);
  wheel.Schedule(2, 9);
  wheel.Cancel(3);
  wheel.Cancel(77);
  EXPECT_THAT(Advance(wheel, 8), ElementsAre(1));
  EXPECT_THAT(Advance(wheel, 9), ElementsAre(2));
}

TEST(TimerWheelTest, LongPauseFiresEverythingOnce) {
  TimerWheel wheel(0);
  wheel.Schedule(1, 5);
  wheel.Schedule(2, 2000);
  EXPECT_THAT(Advance(wheel, 1'000'000), UnorderedElementsAre(1, 2));
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
