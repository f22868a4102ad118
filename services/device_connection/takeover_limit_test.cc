#include "services/device_connection/takeover_limit.h"

#include "gtest/gtest.h"

namespace fleetcast::device_connection {
namespace {

constexpr absl::Duration kNow = absl::Hours(5);

// `count` takeovers of dev-1 at kNow.
void TakeOver(TakeoverLimit& limit, int count) {
  for (int i = 0; i < count; ++i) limit.OnTakeover("dev-1", kNow);
}

TEST(TakeoverLimitTest, NineLeaveTheNextOneAlone) {
  TakeoverLimit limit({});
  TakeOver(limit, 9);
  EXPECT_EQ(limit.HoldFor("dev-1", kNow, 0.5), absl::ZeroDuration());
}

TEST(TakeoverLimitTest, TenMakeTheNextOneWaitForItsTurnAndAShareOfTheJitter) {
  TakeoverLimit limit({});
  TakeOver(limit, 10);
  EXPECT_EQ(limit.HoldFor("dev-1", kNow, 0), absl::Seconds(6));
  EXPECT_EQ(limit.HoldFor("dev-1", kNow, 0.5), absl::Seconds(8));
  EXPECT_EQ(limit.HoldFor("dev-2", kNow, 0.5), absl::ZeroDuration());
}

TEST(TakeoverLimitTest, AllowanceComesBackEvenly) {
  TakeoverLimit limit({});
  TakeOver(limit, 10);
  EXPECT_EQ(limit.HoldFor("dev-1", kNow + absl::Seconds(3), 0), absl::Seconds(3));
  EXPECT_EQ(limit.HoldFor("dev-1", kNow + absl::Seconds(7), 0), absl::ZeroDuration());
}

TEST(TakeoverLimitTest, TenAMinuteHoweverManyTry) {
  TakeoverLimit limit({});
  TakeOver(limit, 10);
  int takeovers = 0;
  for (absl::Duration now = kNow; now < kNow + absl::Minutes(10); now += absl::Milliseconds(10)) {
    if (limit.HoldFor("dev-1", now, 0) > absl::ZeroDuration()) continue;
    limit.OnTakeover("dev-1", now);
    ++takeovers;
  }
  EXPECT_LE(takeovers, 100);
  EXPECT_GE(takeovers, 98);
}

TEST(TakeoverLimitTest, MoreTakeoversThanAllowedDoNotAddUp) {
  TakeoverLimit limit({});
  TakeOver(limit, 50);
  EXPECT_EQ(limit.HoldFor("dev-1", kNow, 0), absl::Seconds(6));
}

TEST(TakeoverLimitTest, ZeroIsNoLimit) {
  TakeoverLimit limit({.per_minute = 0});
  TakeOver(limit, 50);
  EXPECT_EQ(limit.HoldFor("dev-1", kNow, 0), absl::ZeroDuration());
}

TEST(TakeoverLimitTest, TooManyDevicesAreNotRememberedUntilOthersAreDone) {
  TakeoverLimit limit({.per_minute = 1, .devices_max = 1});
  limit.OnTakeover("dev-1", kNow);
  limit.OnTakeover("dev-2", kNow);
  EXPECT_GT(limit.HoldFor("dev-1", kNow, 0), absl::ZeroDuration());
  EXPECT_EQ(limit.HoldFor("dev-2", kNow, 0), absl::ZeroDuration());
  limit.OnTakeover("dev-2", kNow + absl::Minutes(2));
  EXPECT_GT(limit.HoldFor("dev-2", kNow + absl::Minutes(2), 0), absl::ZeroDuration());
}

}  // namespace
}  // namespace fleetcast::device_connection
