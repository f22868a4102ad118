#include "services/device_connection/identity_limits.h"

#include <string>

#include "gtest/gtest.h"

namespace fleetcast::device_connection {
namespace {

constexpr absl::Duration kNow = absl::Hours(5);

// `count` sessions of dev-1 at kNow.
void Connect(IdentityLimits& limits, int count) {
  for (int i = 0; i < count; ++i) limits.OnConnected("dev-1", kNow);
}

TEST(IdentityLimitsTest, NineConnectsLeaveTheNextOneAlone) {
  IdentityLimits limits({});
  Connect(limits, 9);
  EXPECT_EQ(limits.HoldFor("dev-1", kNow, 0.5), absl::ZeroDuration());
}

TEST(IdentityLimitsTest, TenMakeTheNextOneWaitForItsTurnAndAShareOfTheJitter) {
  IdentityLimits limits({});
  Connect(limits, 10);
  EXPECT_EQ(limits.HoldFor("dev-1", kNow, 0), absl::Seconds(10));
  EXPECT_NEAR(absl::ToDoubleSeconds(limits.HoldFor("dev-1", kNow, 0.5)), 13.333, 0.001);
  EXPECT_EQ(limits.HoldFor("dev-2", kNow, 0.5), absl::ZeroDuration());
}

TEST(IdentityLimitsTest, TheRightToConnectComesBackEvenly) {
  IdentityLimits limits({});
  Connect(limits, 10);
  EXPECT_EQ(limits.HoldFor("dev-1", kNow + absl::Seconds(3), 0), absl::Seconds(7));
  EXPECT_EQ(limits.HoldFor("dev-1", kNow + absl::Seconds(10), 0), absl::ZeroDuration());
}

// What the Python SDK does for ever when it is closed again and again.
TEST(IdentityLimitsTest, OnceInTenSecondsIsNeverHeld) {
  IdentityLimits limits({});
  for (absl::Duration at; at < absl::Hours(1); at += absl::Seconds(10)) {
    EXPECT_EQ(limits.HoldFor("dev-1", kNow + at, 0.99), absl::ZeroDuration());
    limits.OnConnected("dev-1", kNow + at);
  }
}

TEST(IdentityLimitsTest, SixAMinuteHoweverManyTry) {
  IdentityLimits limits({});
  Connect(limits, 10);
  int connects = 0;
  for (absl::Duration at; at < absl::Minutes(10); at += absl::Milliseconds(10)) {
    if (limits.HoldFor("dev-1", kNow + at, 0) > absl::ZeroDuration()) continue;
    limits.OnConnected("dev-1", kNow + at);
    ++connects;
  }
  EXPECT_LE(connects, 60);
  EXPECT_GE(connects, 58);
}

TEST(IdentityLimitsTest, NobodyWaitsLongerThanTheEdgeDoes) {
  IdentityLimits limits({.connects_per_minute = 1, .connects_burst = 1});
  Connect(limits, 50);
  EXPECT_EQ(limits.HoldFor("dev-1", kNow, 0.99), IdentityLimits::kConnectHoldMax);
}

TEST(IdentityLimitsTest, ThreeRefusalsAreToldAtOnceTheNextOnesAreHeld) {
  IdentityLimits limits({});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limits.OnRefused("dev-1", kNow, 0.5), absl::ZeroDuration());
  EXPECT_EQ(limits.OnRefused("dev-1", kNow, 0), absl::Seconds(5));
  EXPECT_EQ(limits.OnRefused("dev-1", kNow, 0.5), absl::Seconds(12.5));
  EXPECT_LT(limits.OnRefused("dev-1", kNow, 0.999), absl::Seconds(20));
  EXPECT_EQ(limits.OnRefused("dev-2", kNow, 0.5), absl::ZeroDuration());
  EXPECT_EQ(limits.OnRefused("dev-1", kNow + absl::Seconds(20), 0.5), absl::ZeroDuration());
}

TEST(IdentityLimitsTest, Q21RefusalsSlowDownNobodyWhoHasTheKey) {
  IdentityLimits limits({});
  for (int i = 0; i < 1'000; ++i) limits.OnRefused("dev-1", kNow, 0.5);
  EXPECT_EQ(limits.HoldFor("dev-1", kNow, 0.5), absl::ZeroDuration());
}

TEST(IdentityLimitsTest, ZeroIsNoLimit) {
  IdentityLimits limits({.connects_per_minute = 0, .refusals_per_minute = 0});
  Connect(limits, 50);
  EXPECT_EQ(limits.HoldFor("dev-1", kNow, 0), absl::ZeroDuration());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(limits.OnRefused("dev-1", kNow, 0), absl::ZeroDuration());
}

}  // namespace
}  // namespace fleetcast::device_connection
