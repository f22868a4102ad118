#include "services/scheduler/pacer.h"

#include <gtest/gtest.h>

namespace fleetcast::scheduler {
namespace {

constexpr absl::Duration kStart = absl::Hours(1);

absl::Duration After(double seconds) { return kStart + absl::Seconds(seconds); }

RolloutPolicy Rate(int32_t per_minute) {
  RolloutPolicy policy;
  policy.maximum_per_minute = per_minute;
  return policy;
}

RolloutPolicy Cap(int32_t in_flight_max) {
  RolloutPolicy policy;
  policy.in_flight_max = in_flight_max;
  return policy;
}

RolloutPolicy Ramp(const ExponentialRate& rate, int32_t maximum = 0) {
  RolloutPolicy policy = Rate(maximum);
  policy.exponential_rate = rate;
  return policy;
}

RolloutPolicy Abort(const AbortCriterion& criterion) {
  RolloutPolicy policy;
  policy.abort_criteria = {criterion};
  return policy;
}

Pacer Make(const RolloutPolicy& policy, const job_store::JobCounts& counts = {}, int unit = 1) {
  return Pacer(policy, counts, unit, kStart);
}

// Starts whatever is allowed at each tick of 10 ms; gives the number within [from, to), and the most of one tick.
struct Starts {
  int total = 0;
  int most = 0;
};
Starts RunPacer(Pacer& pacer, double from, double to) {
  Starts starts;
  for (double when = from; when < to; when += 0.01) {
    const int allowed = pacer.Allowed(1'000'000, 0, 0, After(when));
    pacer.Started(allowed, 0);
    starts.total += allowed;
    starts.most = std::max(starts.most, allowed);
  }
  return starts;
}

TEST(PacerTest, WithoutARateEverythingReadyMayStart) {
  Pacer pacer = Make(Abort({}));
  EXPECT_EQ(pacer.Allowed(5'000, 0, 100, After(0)), 5'000);
}

TEST(PacerTest, TheBucketBeginsEmpty) {
  Pacer pacer = Make(Rate(60'000));
  EXPECT_EQ(pacer.Allowed(5'000, 0, 0, After(0)), 0);
  EXPECT_EQ(pacer.Allowed(5'000, 0, 0, After(0.01)), 10);
}

TEST(PacerTest, StartsAreSpreadEvenly) {
  Pacer pacer = Make(Rate(6'000));
  const Starts starts = RunPacer(pacer, 0, 10);
  EXPECT_NEAR(starts.total, 1'000, 2);
  EXPECT_LE(starts.most, 2);
}

TEST(PacerTest, OneAMinuteIsOneAMinute) {
  Pacer pacer = Make(Rate(1));
  EXPECT_EQ(RunPacer(pacer, 0, 59.9).total, 0);
  EXPECT_EQ(RunPacer(pacer, 59.9, 119.9).total, 1);
  EXPECT_EQ(RunPacer(pacer, 119.9, 600.1).total, 9);
}

TEST(PacerTest, NothingIsCaughtUpAfterAPause) {
  Pacer pacer = Make(Rate(60'000));
  EXPECT_EQ(pacer.Allowed(1'000'000, 0, 0, After(3'600)), 250);  // A quarter of a second's worth.
}

TEST(PacerTest, ADeviceAtLeastIsSavedUp) {
  Pacer pacer = Make(Rate(10));
  EXPECT_EQ(pacer.Allowed(100, 0, 0, After(3'600)), 1);
}

TEST(PacerTest, TheRampSpeedsUpWithDevicesStarted) {
  Pacer pacer =
      Make(Ramp({.base_rate_per_minute = 600, .increment_factor = 2, .notified_step = 50, .succeeded_step = 0}));
  EXPECT_NEAR(RunPacer(pacer, 0, 5).total, 50, 1);      // 10/s until 50 are started,
  EXPECT_NEAR(RunPacer(pacer, 5, 7.5).total, 50, 2);    // 20/s until 100,
  EXPECT_NEAR(RunPacer(pacer, 7.5, 8.7).total, 50, 4);  // 40/s until 150.
}

TEST(PacerTest, TheRampBySuccessWaitsForSuccess) {
  Pacer pacer =
      Make(Ramp({.base_rate_per_minute = 600, .increment_factor = 5, .notified_step = 0, .succeeded_step = 10}, 1'200));
  EXPECT_NEAR(RunPacer(pacer, 0, 10).total, 100, 1);
  for (int i = 0; i < 10; ++i) pacer.Ended(ExecutionState::kSucceeded, false);
  EXPECT_NEAR(RunPacer(pacer, 10, 20).total, 200, 2);  // Not five times: the ceiling.
}

TEST(PacerTest, AFollowerGoesOnWithTheRampWhereItWas) {
  Pacer pacer =
      Make(Ramp({.base_rate_per_minute = 60, .increment_factor = 2, .notified_step = 10, .succeeded_step = 0}),
           {.running = 5, .succeeded = 20, .failed = 3, .timed_out = 2});
  EXPECT_DOUBLE_EQ(pacer.Wanted(absl::Seconds(1)), 8);
}

TEST(PacerTest, TheCapCountsWhatIsInFlightHereAndElsewhere) {
  Pacer pacer = Make(Cap(100), {.running = 30});
  EXPECT_EQ(pacer.Allowed(500, 0, 0, After(0)), 70);
  pacer.OnLeased(20, /*more_issued=*/true);
  EXPECT_EQ(pacer.elsewhere(), 10);
  EXPECT_EQ(pacer.Allowed(500, 0, 20, After(0)), 70);
  EXPECT_EQ(pacer.Allowed(500, 0, 90, After(0)), 0);
  pacer.OnLeased(0, /*more_issued=*/false);  // Chunks with issued targets come first: there are no more.
  EXPECT_EQ(pacer.Allowed(500, 0, 90, After(0)), 10);
}

TEST(PacerTest, RetriesNeedNoRoomButKeepTheirOwn) {
  Pacer pacer = Make(Cap(100));
  EXPECT_EQ(pacer.Allowed(500, 30, 100, After(0)), 30);  // All 100 have ended once, 30 may be tried again.
  EXPECT_EQ(pacer.room(), 0);
  EXPECT_EQ(pacer.Allowed(500, 30, 90, After(0)), 40);
  EXPECT_EQ(pacer.room(), 10);
  pacer.Started(35, 30);
  EXPECT_EQ(pacer.room(), 5);
}

TEST(PacerTest, AChunkThatIsLostStaysInTheCount) {
  Pacer pacer = Make(Cap(100));
  pacer.OnDropped(60);
  EXPECT_EQ(pacer.Allowed(500, 0, 0, After(0)), 40);
}

TEST(PacerTest, AChangeTakesEffectAtOnceAndCatchesNothingUp) {
  Pacer pacer = Make(Rate(60));
  EXPECT_EQ(pacer.Allowed(100, 0, 0, After(1)), 1);
  pacer.SetPolicy(Rate(60'000), After(1));
  EXPECT_EQ(pacer.Allowed(100, 0, 0, After(1)), 0);
  EXPECT_EQ(pacer.Allowed(100, 0, 0, After(1.01)), 10);
}

TEST(PacerTest, SlicesStartWhenTheRateAllowsAllOfOne) {
  Pacer pacer = Make(Rate(6'000), {}, /*unit=*/250);
  EXPECT_EQ(pacer.Allowed(1'000, 0, 0, After(2.4)), 0);
  EXPECT_EQ(pacer.Allowed(1'000, 0, 0, After(2.5)), 250);
  pacer.Started(250, 0);
  EXPECT_EQ(pacer.Allowed(1'000, 0, 0, After(4.9)), 0);
  EXPECT_EQ(pacer.Allowed(40, 0, 0, After(4.9)), 40);  // The last slice is shorter.
}

TEST(PacerTest, ASliceLargerThanTheCapIsAlone) {
  Pacer pacer = Make(Cap(10), {}, /*unit=*/250);
  EXPECT_EQ(pacer.Allowed(1'000, 0, 0, After(0)), 250);
  EXPECT_EQ(pacer.Allowed(1'000, 0, 1, After(0)), 0);
}

TEST(PacerTest, SaysWhichCriterionIsMet) {
  Pacer pacer = Make(Abort(
      {.failure_type = FailureType::kDeviceError, .threshold_percentage = 50, .min_number_of_executed_devices = 4}));
  for (int i = 0; i < 3; ++i) pacer.Ended(ExecutionState::kSucceeded, true);
  EXPECT_FALSE(pacer.MetAbortCriterion().has_value());
  pacer.Ended(ExecutionState::kFailed, false);
  EXPECT_TRUE(pacer.MetAbortCriterion().has_value());
  pacer.OnCounts({.running = 0, .succeeded = 100, .device_errors = 3});  // The store knows better.
  EXPECT_FALSE(pacer.MetAbortCriterion().has_value());
}

}  // namespace
}  // namespace fleetcast::scheduler
