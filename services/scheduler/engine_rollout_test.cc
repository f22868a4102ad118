// Pace, caps, abort, pause, change, priority and several schedulers on a simulated fleet (reliability 2.2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "services/scheduler/engine.h"
#include "services/scheduler/sim/device_log.h"

namespace fleetcast::scheduler {
namespace {

using job_store::Job;
using job_store::JobSpec;
using sim::Calls;
using sim::EachDevice;
using sim::kPermit;
using sim::MostInFlight;
using sim::MostStarts;
using sim::SimDevice;
using sim::SimOptions;
using sim::SimWorld;

// Starts "job" on so many devices, each of which answers so late, with at most `cap` calls in flight.
void StartCapped(SimWorld& world, int devices, absl::Duration answer_after, int cap) {
  world.AddDevices(devices);
  EachDevice(world, [&](SimDevice& device) { device.answer_after = answer_after; });
  world.CreateMethodJob("job", [&](JobSpec& spec) { spec.rollout.in_flight_max = cap; });
  world.Start();
}

// --- Pace and caps ------------------------------------------------------------------------------------------------

TEST(RolloutTest, AConstantRateIsKeptAndSpread) {
  SimWorld world({});
  world.AddDevices(1'000);
  world.CreateMethodJob("job", [](JobSpec& spec) { spec.rollout.maximum_per_minute = 6'000; });
  const absl::Time start = world.clock().Now();
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(1)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.counts.succeeded, 1'000);
  EXPECT_GE(*job.end_time - start, absl::Seconds(9.9));
  EXPECT_LE(*job.end_time - start, absl::Seconds(11));
  EXPECT_LE(MostStarts(world, job, absl::Seconds(1)), 126);  // 100, and a quarter of a second's worth.
}

TEST(RolloutTest, ARampSpeedsUp) {
  SimWorld world({});
  world.AddDevices(1'500);
  world.CreateMethodJob("job", [](JobSpec& spec) {
    spec.rollout.exponential_rate = ExponentialRate{
        .base_rate_per_minute = 6'000, .increment_factor = 2, .notified_step = 500, .succeeded_step = 0};
  });
  const absl::Time start = world.clock().Now();
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(1)));
  const absl::Duration took = *world.GetJob("job").end_time - start;
  EXPECT_GE(took, absl::Seconds(8.6));  // 500 each at 100, 200 and 400 a second: 8.75 s.
  EXPECT_LE(took, absl::Seconds(9.6));
}

TEST(RolloutTest, ASlowJobHoldsFewChunks) {
  SimWorld world({});
  world.AddDevices(40'000);
  world.CreateMethodJob("job", [](JobSpec& spec) { spec.rollout.maximum_per_minute = 1; });
  world.Start();
  const absl::Time end = world.clock().Now() + absl::Minutes(5) + absl::Seconds(5);
  size_t most = 0;
  while (world.clock().Now() < end) {  // Also while an intent is being written.
    world.Run(absl::Milliseconds(50));
    most = std::max(most, world.engine()->chunks());
  }
  EXPECT_EQ(most, 1u);
  EXPECT_EQ(Calls(world, world.GetJob("job")), 5);
}

// What is leased by a statement whose answer is lost is in flight, and nobody knows of it until that lease has run out.
TEST(RolloutTest, TheCapHoldsWhenTheAnswerOfALeaseIsLost) {
  SimOptions options;
  options.engine.chunks_active_max = 2;
  SimWorld world(options);
  StartCapped(world, 9'000, absl::Seconds(25), 150);
  world.Run(absl::Seconds(1));
  world.Kill();
  world.faulty_store().doubt_per_mille = 1000;
  world.Start();
  world.Run(options.engine.lease.ttl + absl::Milliseconds(200));  // The next lease of what the first engine held.
  world.faulty_store().doubt_per_mille = 0;
  world.Run(absl::Minutes(2));
  const Job job = world.GetJob("job");
  EXPECT_EQ(MostInFlight(world, job), 150);
  EXPECT_GT(Calls(world, job), 300) << "goes on, once that lease has run out";
}

TEST(RolloutTest, TheCapHoldsOverCrashes) {
  SimWorld world({});
  StartCapped(world, 3'000, absl::Milliseconds(700), 150);
  for (int i = 0; i < 4; ++i) {
    world.Run(absl::Milliseconds(2'500 + 137 * i));
    world.Kill();
    world.Run(absl::Milliseconds(300));
    world.Start();
  }
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(5)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.counts.succeeded, 3'000);
  EXPECT_LE(MostInFlight(world, job), 150);
  EXPECT_GE(MostInFlight(world, job), 140);
}

TEST(RolloutTest, TheCapIsOverAllChunksAnEarlierOwnerHasLeft) {
  // More chunks with calls in flight than one statement leases.
  SimOptions options;
  options.engine.chunks_active_max = 2;
  SimWorld world(options);
  StartCapped(world, 6'000, absl::Seconds(20), 2'600);
  world.Run(absl::Seconds(5));
  world.Kill();
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(10)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.counts.succeeded, 6'000);
  EXPECT_LE(MostInFlight(world, job), 2'600);
}

TEST(RolloutTest, TwinJobsArePacedBySlices) {
  SimWorld world({});
  world.AddDevices(2'000);
  world.CreateTwinJob("job", [](JobSpec& spec) { spec.rollout.maximum_per_minute = 30'000; });
  const absl::Time start = world.clock().Now();
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(1)));
  EXPECT_EQ(world.GetJob("job").counts.succeeded, 2'000);
  EXPECT_GE(*world.GetJob("job").end_time - start, absl::Seconds(3.9));
  EXPECT_LE(*world.GetJob("job").end_time - start, absl::Seconds(5));
}

// --- Abort --------------------------------------------------------------------------------------------------------

void AbortOnErrors(JobSpec& spec) {
  spec.rollout.maximum_per_minute = 6'000;
  spec.rollout.abort_criteria = {
      {.failure_type = FailureType::kDeviceError, .threshold_percentage = 20, .min_number_of_executed_devices = 50}};
}

TEST(RolloutTest, TooManyFailuresStopTheJob) {
  SimWorld world({});
  world.AddDevices(2'000);
  EachDevice(world, [](SimDevice& device) { device.failures = 1; });
  world.CreateMethodJob("job", AbortOnErrors);
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(1)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.state, JobState::kCancelled);
  EXPECT_THAT(job.failure_reason, ::testing::HasSubstr("Aborted"));
  EXPECT_GE(job.counts.device_errors, 50);
  EXPECT_LE(Calls(world, job), 80);
  EXPECT_EQ(job.counts.succeeded, Calls(world, job));  // Each that was called keeps its true outcome.
}

TEST(RolloutTest, TheDecisionToStopSurvivesACrash) {
  for (int killed_at = 540; killed_at < 700; killed_at += 4) {
    SimOptions options;
    options.seed = static_cast<uint64_t>(killed_at);
    SimWorld world(options);
    world.AddDevices(500);
    EachDevice(world, [](SimDevice& device) { device.failures = 1; });
    world.CreateMethodJob("job", AbortOnErrors);
    world.Start();
    world.Run(absl::Milliseconds(killed_at));
    world.Kill();
    world.Run(absl::Seconds(1));
    world.Start();
    // What was in flight at the crash is given up when its time to drain is over.
    ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(6)));
    EXPECT_EQ(world.GetJob("job").state, JobState::kCancelled) << killed_at;
    EXPECT_LE(Calls(world, world.GetJob("job")), 110) << killed_at;
  }
}

TEST(RolloutTest, FewFailuresDoNot) {
  SimWorld world({});
  world.AddDevices(500);
  for (int i = 0; i < 500; i += 10) world.fleet().device(world.DeviceId(i)).failures = 1;
  world.CreateMethodJob("job", AbortOnErrors);
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(1)));
  EXPECT_EQ(world.GetJob("job").state, JobState::kCompleted);
}

// --- Pause, resume, change ----------------------------------------------------------------------------------------

TEST(ChangeTest, APauseStopsIssuingAndKeepsWhatComes) {
  SimWorld world({});
  world.AddDevices(14'000);
  EachDevice(world, [](SimDevice& device) { device.answer_after = absl::Milliseconds(300); });
  world.CreateMethodJob("job");
  world.Start();
  ASSERT_TRUE(world.Run(absl::Seconds(5), [&] { return world.GetJob("job").counts.succeeded > 500; }));
  ASSERT_TRUE(world.store().PauseJob(world.clock().Now(), "job").ok());
  const absl::Time answered = world.clock().Now() + kPermit;
  world.engine()->OnHint();
  world.Run(absl::Seconds(20));
  const Job paused = world.GetJob("job");
  for (auto& [id, device] : world.fleet().devices()) EXPECT_LE(device.last_call[paused.seq], answered) << id;  // J15
  EXPECT_EQ(paused.counts.running, 0);
  EXPECT_GT(paused.counts.pending, 0);
  EXPECT_EQ(paused.counts.succeeded, Calls(world, paused));
  EXPECT_EQ(world.engine()->chunks(), 0u);
  ASSERT_TRUE(world.store().ResumeJob(world.clock().Now(), "job").ok());
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(1)));
  EXPECT_EQ(world.GetJob("job").counts.succeeded, 14'000);
  EXPECT_EQ(Calls(world, paused), 14'000);
}

TEST(ChangeTest, APauseWithoutAHintIsNoticedByTheNextStatement) {
  SimWorld world({});
  world.AddDevices(14'000);
  EachDevice(world, [](SimDevice& device) { device.answer_after = absl::Milliseconds(300); });
  world.CreateMethodJob("job");
  world.Start();
  ASSERT_TRUE(world.Run(absl::Seconds(5), [&] { return world.GetJob("job").counts.succeeded > 500; }));
  ASSERT_TRUE(world.store().PauseJob(world.clock().Now(), "job").ok());
  const absl::Time answered = world.clock().Now() + kPermit;
  world.Run(absl::Seconds(20));
  const int64_t seq = world.GetJob("job").seq;
  for (auto& [id, device] : world.fleet().devices()) EXPECT_LE(device.last_call[seq], answered) << id;
}

TEST(ChangeTest, ALowerCapHoldsOnceItIsAnswered) {
  SimWorld world({});
  world.AddDevices(4'000);
  EachDevice(world, [](SimDevice& device) { device.answer_after = absl::Milliseconds(400); });
  world.CreateMethodJob("job", [](JobSpec& spec) { spec.rollout.in_flight_max = 400; });
  world.Start();
  ASSERT_TRUE(world.Run(absl::Seconds(10), [&] { return world.GetJob("job").counts.succeeded > 500; }));
  job_store::JobChange change;
  change.rollout.emplace();
  change.rollout->in_flight_max = 40;
  ASSERT_TRUE(world.store().UpdateJob(world.clock().Now(), "job", change).ok());
  const absl::Time answered = world.clock().Now() + kPermit;
  world.engine()->OnHint();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(10)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.counts.succeeded, 4'000);
  EXPECT_EQ(Calls(world, job), 4'000);
  EXPECT_GT(MostInFlight(world, job), 300);
  EXPECT_LE(MostInFlight(world, job, answered), 40);
}

TEST(ChangeTest, ARateIsChangedAndLiftedWhileRunning) {
  SimWorld world({});
  world.AddDevices(4'000);
  world.CreateMethodJob("job", [](JobSpec& spec) { spec.rollout.maximum_per_minute = 600; });
  world.Start();
  world.Run(absl::Seconds(10));
  EXPECT_NEAR(Calls(world, world.GetJob("job")), 100, 5);
  job_store::JobChange change;
  change.rollout.emplace();
  change.rollout->maximum_per_minute = 6'000;
  ASSERT_TRUE(world.store().UpdateJob(world.clock().Now(), "job", change).ok());
  world.engine()->OnHint();
  world.Run(absl::Seconds(10));
  EXPECT_NEAR(Calls(world, world.GetJob("job")), 1'100, 40);
  change.rollout.emplace();
  ASSERT_TRUE(world.store().UpdateJob(world.clock().Now(), "job", change).ok());
  world.engine()->OnHint();
  EXPECT_TRUE(world.RunUntilEnded("job", absl::Seconds(5)));
}

// --- Priority -----------------------------------------------------------------------------------------------------

TEST(PriorityTest, ASmallJobBesideABigOneIsDoneAtOnce) {
  SimWorld world({});
  world.AddDevices(30'000);
  EachDevice(world, [](SimDevice& device) { device.answer_after = absl::Seconds(2); });
  world.CreateMethodJob("big", [](JobSpec& spec) { spec.priority = 9; });
  world.Start();
  world.Run(absl::Seconds(3));
  world.targets_max = 10;
  world.CreateMethodJob("small", [](JobSpec& spec) { spec.priority = 1; });
  EXPECT_TRUE(world.RunUntilEnded("small", absl::Seconds(3)));
  EXPECT_EQ(world.GetJob("small").counts.succeeded, 10);
  EXPECT_FALSE(IsTerminal(world.GetJob("big").state));
}

// --- Several schedulers -------------------------------------------------------------------------------------------

TEST(SeveralTest, TheyShareAJobAndOneGoesOnAloneWhenTheOtherDies) {
  SimOptions options;
  options.engine.chunks_active_max = 6;
  SimWorld world(options);
  world.AddDevices(20'000);
  EachDevice(world, [](SimDevice& device) { device.answer_after = absl::Milliseconds(400); });
  world.CreateMethodJob("job");
  world.Start(0);
  world.Start(1);
  world.Run(absl::Milliseconds(700));
  EXPECT_GT(world.engine(0)->chunks(), 0u);
  EXPECT_GT(world.engine(1)->chunks(), 0u);
  world.Kill(0);
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(2)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.counts.succeeded, 20'000);
  EXPECT_EQ(Calls(world, job), 20'000);
}

TEST(SeveralTest, ALimitedJobHasOneOwnerAndItsLimitsHoldWhenThatOneDies) {
  SimOptions options;
  options.engine.chunks_active_max = 6;
  SimWorld world(options);
  world.AddDevices(8'000);
  EachDevice(world, [](SimDevice& device) { device.answer_after = absl::Milliseconds(900); });
  world.CreateMethodJob("job", [](JobSpec& spec) {
    spec.rollout.in_flight_max = 500;
    spec.rollout.maximum_per_minute = 24'000;
  });
  for (int which = 0; which < 3; ++which) world.Start(which);
  for (int round = 0; round < 3; ++round) {
    world.Run(absl::Seconds(3));
    int owner = -1;
    for (int which = 0; which < 3; ++which) {
      if (world.engine(which)->chunks() == 0) continue;
      EXPECT_EQ(owner, -1) << "two owners";
      owner = which;
    }
    ASSERT_GE(owner, 0);
    world.Kill(owner);
    world.Run(absl::Seconds(11));
    world.Start(owner);
  }
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(5)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.counts.succeeded, 8'000);
  EXPECT_EQ(Calls(world, job), 8'000);
  EXPECT_LE(MostInFlight(world, job), 500);
  EXPECT_LE(MostStarts(world, job, absl::Seconds(1)), 501);  // 400, and a quarter of a second's worth.
}

}  // namespace
}  // namespace fleetcast::scheduler
