#include "libs/redis/circuit_breaker.h"

#include <gtest/gtest.h>

namespace fleetcast::redis {
namespace {

constexpr CircuitBreaker::Options kOptions = {
    .failures_to_open = 2, .open_first = absl::Milliseconds(100), .open_max = absl::Milliseconds(300)};

absl::Duration At(int milliseconds) { return absl::Milliseconds(milliseconds); }

// A breaker that has just opened at 0 ms.
CircuitBreaker Opened() {
  CircuitBreaker breaker(kOptions);
  for (int i = 0; i < kOptions.failures_to_open; ++i) {
    EXPECT_TRUE(breaker.Allow(At(0)));
    breaker.OnFailure(At(0));
  }
  return breaker;
}

TEST(CircuitBreakerTest, StaysClosedWhileFailuresAreNotInARow) {
  CircuitBreaker breaker(kOptions);
  for (int i = 0; i < 10; ++i) {
    breaker.OnFailure(At(i));
    breaker.OnSuccess();
    EXPECT_TRUE(breaker.Allow(At(i)));
  }
}

TEST(CircuitBreakerTest, RefusesUntilTheBackOffIsOverThenLetsOneProbeThrough) {
  CircuitBreaker breaker = Opened();
  EXPECT_FALSE(breaker.Allow(At(99)));
  EXPECT_TRUE(breaker.Allow(At(100)));
  EXPECT_FALSE(breaker.Allow(At(100)));
}

TEST(CircuitBreakerTest, ClosesWhenTheProbeSucceeds) {
  CircuitBreaker breaker = Opened();
  ASSERT_TRUE(breaker.Allow(At(100)));
  breaker.OnSuccess();
  EXPECT_FALSE(breaker.is_open());
  EXPECT_TRUE(breaker.Allow(At(100)));
  EXPECT_TRUE(breaker.Allow(At(100)));
}

TEST(CircuitBreakerTest, DoublesTheBackOffUpToItsLimit) {
  CircuitBreaker breaker = Opened();
  ASSERT_TRUE(breaker.Allow(At(100)));
  breaker.OnFailure(At(100));
  EXPECT_FALSE(breaker.Allow(At(299)));
  ASSERT_TRUE(breaker.Allow(At(300)));
  breaker.OnFailure(At(300));
  EXPECT_FALSE(breaker.Allow(At(599)));
  ASSERT_TRUE(breaker.Allow(At(600)));
  breaker.OnFailure(At(600));
  EXPECT_TRUE(breaker.Allow(At(900)));
}

TEST(CircuitBreakerTest, ALateFailureDoesNotProlongAnOpenBreaker) {
  CircuitBreaker breaker = Opened();
  breaker.OnFailure(At(90));
  EXPECT_TRUE(breaker.Allow(At(100)));
}

}  // namespace
}  // namespace fleetcast::redis
