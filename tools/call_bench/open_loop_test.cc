#include "tools/call_bench/open_loop.h"

#include <gtest/gtest.h>

namespace fleetcast::call_bench {
namespace {

constexpr absl::Duration kStart = absl::Seconds(100);

TEST(OpenLoopTest, CallsAreDueEvenly) {
  OpenLoop loop(10, 0.3, kStart);
  EXPECT_EQ(loop.total(), 3);
  EXPECT_FALSE(loop.IsDue(kStart - absl::Nanoseconds(1)));
  ASSERT_TRUE(loop.IsDue(kStart));
  EXPECT_EQ(loop.Begin(), 0);
  EXPECT_FALSE(loop.IsDue(kStart + absl::Milliseconds(99)));
  EXPECT_EQ(loop.NextDue(), kStart + absl::Milliseconds(100));
  EXPECT_EQ(loop.Begin(), 1);
  EXPECT_EQ(loop.Begin(), 2);
  EXPECT_FALSE(loop.IsDue(kStart + absl::Hours(1)));
  EXPECT_EQ(loop.NextDue(), absl::InfiniteDuration());
}

TEST(OpenLoopTest, LatencyCountsFromTheIntendedTime) {
  OpenLoop loop(1, 2, kStart);
  loop.Begin();  // However late that was.
  loop.Begin();
  EXPECT_TRUE(loop.End(0, kStart + absl::Milliseconds(1500)));
  EXPECT_TRUE(loop.End(1, kStart + absl::Milliseconds(1500)));
  EXPECT_EQ(loop.Summary("x"),
            R"({"name":"x","rate":1,"calls":2,"p50_ms":1500.000,"p99_ms":1500.000,"max_ms":1500.000})");
}

TEST(OpenLoopTest, ACallEndsOnceAndOnlyIfItHasBegun) {
  OpenLoop loop(1, 2, kStart);
  EXPECT_FALSE(loop.End(0, kStart));
  loop.Begin();
  EXPECT_TRUE(loop.End(0, kStart));
  EXPECT_FALSE(loop.End(0, kStart));
  EXPECT_FALSE(loop.End(-1, kStart));
  EXPECT_EQ(loop.ended(), 1);
}

}  // namespace
}  // namespace fleetcast::call_bench
