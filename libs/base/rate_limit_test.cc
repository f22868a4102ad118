#include "libs/base/rate_limit.h"

#include <string>

#include "gtest/gtest.h"

namespace fleetcast {
namespace {

constexpr absl::Duration kNow = absl::Hours(5);

TEST(RateMeterTest, GivesTheBurstThenTheRate) {
  const Rate rate{10, 3};
  RateMeter meter;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(meter.TryTake(rate, kNow));
  EXPECT_FALSE(meter.TryTake(rate, kNow));
  EXPECT_EQ(meter.Until(rate, kNow), absl::Milliseconds(100));
  EXPECT_FALSE(meter.TryTake(rate, kNow + absl::Milliseconds(99)));
  EXPECT_TRUE(meter.TryTake(rate, kNow + absl::Milliseconds(100)));
  EXPECT_FALSE(meter.TryTake(rate, kNow + absl::Milliseconds(100)));
}

TEST(RateMeterTest, DoesNotSaveMoreThanTheBurst) {
  const Rate rate{10, 3};
  RateMeter meter;
  EXPECT_TRUE(meter.TryTake(rate, kNow));
  int taken = 0;
  while (meter.TryTake(rate, kNow + absl::Hours(1))) ++taken;
  EXPECT_EQ(taken, 3);
}

TEST(RateMeterTest, GivesTheRateOverALongTime) {
  const Rate rate{7, 5};
  RateMeter meter;
  int taken = 0;
  for (absl::Duration at; at < absl::Minutes(10); at += absl::Milliseconds(3)) taken += meter.TryTake(rate, kNow + at);
  EXPECT_GE(taken, 7 * 600);
  EXPECT_LE(taken, 7 * 600 + 5);
}

TEST(RateMeterTest, RateOfZeroIsNoLimit) {
  RateMeter meter;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(meter.TryTake({0, 1}, kNow));
  EXPECT_EQ(meter.Take({0, 1}, kNow, 1e9), absl::ZeroDuration());
}

TEST(RateMeterTest, WhatIsReservedComesEvenly) {
  const Rate rate{10, 1};
  RateMeter meter;
  for (int i = 0; i <= 5; ++i) {
    EXPECT_EQ(meter.TryReserve(rate, kNow, absl::Milliseconds(500)), i * absl::Milliseconds(100));
  }
  EXPECT_EQ(meter.TryReserve(rate, kNow, absl::Milliseconds(500)), std::nullopt);
  // Who was not taken takes no one's place.
  EXPECT_EQ(meter.TryReserve(rate, kNow, absl::Seconds(1)), absl::Milliseconds(600));
}

TEST(RateMeterTest, WhatIsTakenInAnyCaseIsPaidBeforeAnythingElse) {
  const Rate rate{100, 200};
  RateMeter meter;
  EXPECT_EQ(meter.Take(rate, kNow, 150), absl::ZeroDuration());
  EXPECT_EQ(meter.Take(rate, kNow, 150), absl::Seconds(1));
  EXPECT_FALSE(meter.TryTake(rate, kNow + absl::Seconds(1)));
  EXPECT_TRUE(meter.TryTake(rate, kNow + absl::Seconds(1) + absl::Milliseconds(10)));
}

TEST(RateMeterTest, WhatIsSpentBeyondTheBurstDoesNotAddUp) {
  const Rate rate{1, 3};
  RateMeter meter;
  for (int i = 0; i < 50; ++i) meter.Spend(rate, kNow);
  EXPECT_EQ(meter.Until(rate, kNow), absl::Seconds(1));
}

TEST(RateMeterTest, ARateOfAlmostNothingIsNoOverflow) {
  RateMeter meter;
  EXPECT_TRUE(meter.TryTake({1e-300, 1}, kNow));
  EXPECT_GT(meter.Until({1e-300, 1}, kNow), absl::Hours(24));
}

TEST(KeyedRateLimitTest, KeysDoNotShare) {
  KeyedRateLimit limit({1, 1}, 1'000, 7);
  EXPECT_TRUE(limit.TryTake("a", kNow));
  EXPECT_FALSE(limit.TryTake("a", kNow));
  EXPECT_TRUE(limit.TryTake("b", kNow));
  EXPECT_EQ(limit.Until("a", kNow), absl::Seconds(1));
  EXPECT_EQ(limit.Until("c", kNow), absl::ZeroDuration());
  EXPECT_TRUE(limit.TryTake("a", kNow + absl::Seconds(1)));
}

TEST(KeyedRateLimitTest, RateOfZeroIsNoLimit) {
  KeyedRateLimit limit({0, 1}, 1'000, 7);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(limit.TryTake("a", kNow));
  EXPECT_EQ(limit.Until("a", kNow), absl::ZeroDuration());
}

// An attack with ever new keys neither shuts out others nor lets go the one that has used most.
TEST(KeyedRateLimitTest, EndlessKeysPushOutWhoUsedLeast) {
  const Rate rate{1, 10};
  KeyedRateLimit limit(rate, 64, 7);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limit.TryTake("greedy", kNow));
  for (int i = 0; i < 100'000; ++i) EXPECT_TRUE(limit.TryTake("key " + std::to_string(i), kNow));
  EXPECT_FALSE(limit.TryTake("greedy", kNow));
  EXPECT_TRUE(limit.TryTake("somebody", kNow));
}

TEST(KeyedRateLimitTest, RemembersThatManyKeysWhereTheyFit) {
  constexpr int kKeys = 200;
  KeyedRateLimit limit({1, 1}, 16 * kKeys, 7);  // So many that no nine of them share a place.
  for (int i = 0; i < kKeys; ++i) EXPECT_TRUE(limit.TryTake("key " + std::to_string(i), kNow));
  int remembered = 0;
  for (int i = 0; i < kKeys; ++i) remembered += limit.Until("key " + std::to_string(i), kNow) > absl::ZeroDuration();
  EXPECT_EQ(remembered, kKeys);
}

}  // namespace
}  // namespace fleetcast
