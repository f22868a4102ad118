#include <string>

#include "gtest/gtest.h"
#include "services/mqtt_edge/transport/connect_limits.h"

namespace fleetcast::mqtt_edge {
namespace {

TEST(TokenBucketTest, GivesTheBurstThenTheRate) {
  const Rate rate{10, 3};
  TokenBucket bucket(rate, absl::ZeroDuration());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.TryTake(rate, absl::ZeroDuration()));
  EXPECT_FALSE(bucket.TryTake(rate, absl::ZeroDuration()));
  EXPECT_EQ(bucket.UntilToken(rate, absl::ZeroDuration()), absl::Milliseconds(100));
  EXPECT_TRUE(bucket.TryTake(rate, absl::Milliseconds(101)));
  EXPECT_FALSE(bucket.TryTake(rate, absl::Milliseconds(101)));
}

TEST(TokenBucketTest, RateOfZeroIsNoLimit) {
  TokenBucket bucket({0, 1}, absl::ZeroDuration());
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(bucket.TryTake({0, 1}, absl::ZeroDuration()));
}

TEST(SourceLimitsTest, SourcesDoNotShareABucket) {
  SourceLimits limits({1, 1});
  EXPECT_TRUE(limits.TryConnect({1}, absl::ZeroDuration()));
  EXPECT_FALSE(limits.TryConnect({1}, absl::ZeroDuration()));
  EXPECT_TRUE(limits.TryConnect({2}, absl::ZeroDuration()));
  EXPECT_TRUE(limits.TryConnect({1}, absl::Seconds(2)));
}

TEST(SourceLimitsTest, RemembersABoundedNumberOfSources) {
  SourceLimits limits({1, 1});
  PeerAddress source{};
  for (size_t i = 0; i < SourceLimits::kSourcesMax; ++i) {
    source[0] = static_cast<uint8_t>(i);
    source[1] = static_cast<uint8_t>(i >> 8);
    EXPECT_TRUE(limits.TryConnect(source, absl::ZeroDuration()));
  }
  source[2] = 1;
  EXPECT_FALSE(limits.TryConnect(source, absl::ZeroDuration()));
  EXPECT_TRUE(limits.TryConnect(source, absl::Seconds(5)));  // The others have a full bucket again.
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
