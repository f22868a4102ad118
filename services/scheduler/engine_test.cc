// The engine on a memory store and a simulated fleet, with crashes. Rules: reliability 2.2 and 2.3.
#include "services/scheduler/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/scheduler/sim/sim_world.h"

namespace fleetcast::scheduler {
namespace {

using job_store::Execution;
using job_store::Job;
using sim::kPermit;
using sim::SimOptions;
using sim::SimWorld;

// Most method requests of the job that one device got (M1 allows 1).
int MostCalls(SimWorld& world, const Job& job) {
  int most = 0;
  for (auto& [id, device] : world.fleet().devices()) most = std::max(most, device.calls[job.seq]);
  return most;
}

int Succeeded(const std::vector<Execution>& executions) {
  return static_cast<int>(std::count_if(executions.begin(), executions.end(), [](const Execution& execution) {
    return execution.state == ExecutionState::kSucceeded;
  }));
}

// J4, J5, J6 and M9 of a method job that has ended.
void ExpectConsistent(SimWorld& world, const std::string& id) {
  const Job job = world.GetJob(id);
  ASSERT_TRUE(IsTerminal(job.state));
  const job_store::JobCounts& counts = job.counts;
  EXPECT_EQ(counts.pending + counts.running, 0);
  EXPECT_EQ(counts.succeeded + counts.failed + counts.timed_out + counts.canceled, counts.total);
  EXPECT_LE(MostCalls(world, job), 1);
  const auto executions = world.Executions(id);
  EXPECT_EQ(static_cast<int64_t>(executions.size()), counts.total);
  EXPECT_EQ(Succeeded(executions), counts.succeeded);
  for (const Execution& execution : executions) {
    const int calls = world.fleet().device(execution.device_id).calls[job.seq];
    const bool denied = execution.error_reason == "DEVICE_NOT_ONLINE" || execution.state == ExecutionState::kCanceled;
    EXPECT_TRUE(execution.state != ExecutionState::kSucceeded || calls == 1) << execution.device_id;
    EXPECT_TRUE(!denied || calls == 0) << execution.device_id << " was called, but reported as not reached";
  }
}

TEST(EngineTest, RunsAMethodJobToItsEnd) {
  SimWorld world({});
  world.AddDevices(2'500);
  world.CreateMethodJob("job");
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Seconds(10)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.state, JobState::kCompleted);
  EXPECT_EQ(job.counts.succeeded, 2'500);
  ExpectConsistent(world, "job");
  EXPECT_TRUE(world.Run(absl::Seconds(1), [&] { return world.fleet().kept_results() == 0; }));  // All acknowledged.
  EXPECT_TRUE(world.engine()->idle());
}

TEST(EngineTest, RunsATwinJobToItsEnd) {
  SimWorld world({});
  world.AddDevices(2'600);
  world.CreateTwinJob("job");
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Seconds(10)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.counts.succeeded, 2'600);
  for (auto& [id, device] : world.fleet().devices()) EXPECT_EQ(device.writes[job.seq], 1) << id;
}

TEST(EngineTest, AJobWithoutTargetsCompletes) {
  SimWorld world({});
  world.CreateMethodJob("job");
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Seconds(2)));
  EXPECT_EQ(world.GetJob("job").state, JobState::kCompleted);
}

TEST(EngineTest, StartsNotBeforeTheDueTimeAndSoonAfter) {
  SimWorld world({});
  world.AddDevices(10);
  const absl::Time due = world.clock().Now() + absl::Seconds(30);
  world.CreateMethodJob("job", [&](job_store::JobSpec& spec) { spec.start_time = due; });
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(1)));
  const Job job = world.GetJob("job");
  for (auto& [id, device] : world.fleet().devices()) {
    EXPECT_GE(device.last_call[job.seq], due);
    EXPECT_LE(device.last_call[job.seq], due + absl::Seconds(1));
  }
}

TEST(EngineTest, OfflineDevicesFailAfterTheGraceWithoutBeingCalled) {
  SimWorld world({});
  world.AddDevices(600);
  for (int i = 0; i < 600; i += 2) world.fleet().device(world.DeviceId(i)).online = false;
  world.CreateMethodJob("job");
  const absl::Time start = world.clock().Now();
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Seconds(20)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.counts.succeeded, 300);
  EXPECT_EQ(job.counts.failed, 300);
  EXPECT_GE(*job.end_time - start, absl::Seconds(5));
  EXPECT_LE(*job.end_time - start, absl::Seconds(7));
  ExpectConsistent(world, "job");
}

TEST(EngineTest, AConnectEventWakesAWaitingDevice) {
  SimWorld world({});
  world.AddDevices(1);
  world.fleet().device(world.DeviceId(0)).online = false;
  world.CreateMethodJob("job", [](job_store::JobSpec& spec) {
    std::get<job_store::MethodAction>(spec.action).connect_timeout = absl::Seconds(100);
  });
  world.Start();
  world.Run(absl::Seconds(20));
  EXPECT_EQ(world.GetJob("job").counts.pending, 1);  // A device that is waited for was not sent anything.
  world.fleet().SetOnline(world.DeviceId(0), true);
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Milliseconds(200)));
  EXPECT_EQ(world.GetJob("job").counts.succeeded, 1);
}

TEST(EngineTest, AConnectEventThatGotLostIsFoundByTheRecheckOrTheNextStream) {
  SimWorld world({});
  world.AddDevices(2);
  for (int i = 0; i < 2; ++i) world.fleet().device(world.DeviceId(i)).online = false;
  world.CreateMethodJob("job", [](job_store::JobSpec& spec) {
    std::get<job_store::MethodAction>(spec.action).connect_timeout = absl::Seconds(200);
  });
  world.Start();
  world.Run(absl::Seconds(1));
  world.fleet().device(world.DeviceId(0)).online = true;  // Nobody tells.
  world.Run(absl::Seconds(62));
  EXPECT_EQ(world.GetJob("job").counts.succeeded, 1);
  world.fleet().device(world.DeviceId(1)).online = true;
  world.fleet().BreakDispatcher(0, absl::Seconds(1));
  world.fleet().BreakDispatcher(1, absl::Seconds(1));
  EXPECT_TRUE(world.RunUntilEnded("job", absl::Seconds(5)));
}

TEST(EngineTest, SilentDevicesTimeOutAndDoNotHoldUpASmallJob) {
  SimOptions options;
  options.engine.chunks_active_max = 8;
  SimWorld world(options);
  world.AddDevices(9'000);
  for (auto& [id, device] : world.fleet().devices()) device.silent = true;
  world.CreateMethodJob("big");
  world.Start();
  world.Run(absl::Seconds(3));
  EXPECT_GT(world.GetJob("big").counts.running, 3'000);
  for (auto& [id, device] : world.fleet().devices()) device.silent = false;
  world.CreateTwinJob("other");
  world.CreateMethodJob("small");
  EXPECT_TRUE(world.Run(absl::Seconds(3), [&] { return world.GetJob("small").counts.succeeded > 0; }));
  ASSERT_TRUE(world.RunUntilEnded("big", absl::Minutes(5)));
  EXPECT_GT(world.GetJob("big").counts.timed_out, 3'000);
  ExpectConsistent(world, "big");
}

TEST(EngineTest, CancelIsABarrierAndHonest) {
  SimWorld world({});
  world.AddDevices(12'000);
  for (auto& [id, device] : world.fleet().devices()) device.answer_after = absl::Milliseconds(100);
  world.CreateMethodJob("job");
  world.Start();
  ASSERT_TRUE(world.Run(absl::Seconds(5), [&] { return world.GetJob("job").counts.succeeded > 100; }));
  ASSERT_TRUE(world.store().CancelJob(world.clock().Now(), {.job_id = "job", .drain = absl::Minutes(1)}).ok());
  const absl::Time answered = world.clock().Now() + kPermit;
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(3)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.state, JobState::kCancelled);
  EXPECT_GT(job.counts.canceled, 0);
  for (auto& [id, device] : world.fleet().devices()) EXPECT_LE(device.last_call[job.seq], answered) << id;
  ExpectConsistent(world, "job");
  // Whoever was called before keeps the true outcome.
  EXPECT_EQ(job.counts.timed_out, 0);
}

TEST(EngineTest, TheExecutionTimeEndsTheJob) {
  SimWorld world({});
  world.AddDevices(100);
  for (int i = 0; i < 50; ++i) world.fleet().device(world.DeviceId(i)).online = false;
  for (int i = 50; i < 100; ++i) world.fleet().device(world.DeviceId(i)).silent = true;
  world.CreateMethodJob("job", [](job_store::JobSpec& spec) {
    std::get<job_store::MethodAction>(spec.action).connect_timeout = absl::Seconds(200);
    spec.execution_timeout = absl::Seconds(10);
  });
  const absl::Time start = world.clock().Now();
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(5)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.counts.timed_out, 100);
  EXPECT_LE(*job.end_time, start + absl::Seconds(20));  // J9
  ExpectConsistent(world, "job");
}

TEST(EngineTest, AnOrderlyStopGivesChunksBackAtOnce) {
  SimWorld world({});
  world.AddDevices(3'000);
  world.CreateMethodJob("job");
  world.Start();
  ASSERT_TRUE(world.Run(absl::Seconds(5), [&] { return world.GetJob("job").counts.succeeded > 100; }));
  world.engine()->BeginStop();
  ASSERT_TRUE(world.Run(absl::Seconds(2), [&] { return world.engine()->stopped(); }));
  world.Run(absl::Milliseconds(50));
  EXPECT_EQ(world.GetJob("job").counts.running, 0);
  world.Kill();
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Seconds(3)));  // Much less than a lease.
  EXPECT_EQ(world.GetJob("job").counts.succeeded, 3'000);
  ExpectConsistent(world, "job");
}

// kill -9 at every step of a small job: 1 ms apart from the first moment to the end.
class KilledAt : public ::testing::TestWithParam<int> {};

TEST_P(KilledAt, NothingIsLostOrDoubled) {
  SimOptions options;
  options.seed = static_cast<uint64_t>(GetParam()) + 1;
  SimWorld world(options);
  world.AddDevices(400);
  world.CreateMethodJob("job");
  world.CreateTwinJob("twins");
  world.Start();
  world.Run(absl::Milliseconds(GetParam()));
  world.Kill();
  world.Run(absl::Milliseconds(500));
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(2)));
  ASSERT_TRUE(world.RunUntilEnded("twins", absl::Minutes(2)));
  EXPECT_EQ(world.GetJob("job").counts.succeeded, 400);  // Dispatchers lived on: every doubt could be settled.
  ExpectConsistent(world, "job");
  const Job twins = world.GetJob("twins");
  EXPECT_EQ(twins.counts.succeeded, 400);
  for (auto& [id, device] : world.fleet().devices()) EXPECT_EQ(device.writes[twins.seq], 1) << id;
}

INSTANTIATE_TEST_SUITE_P(EngineTest, KilledAt, ::testing::Range(0, 60));

TEST(EngineTest, ADispatcherThatDiesMakesUnknownNeverTwice) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SimOptions options;
    options.seed = seed;
    SimWorld world(options);
    world.AddDevices(700);
    for (auto& [id, device] : world.fleet().devices()) device.answer_after = absl::Milliseconds(300);
    world.CreateMethodJob("job");
    world.Start();
    world.Run(absl::Milliseconds(20 + 10 * static_cast<int>(seed)));
    world.fleet().CrashDispatcher(0, absl::Seconds(2));
    ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(3))) << "seed " << seed;
    ExpectConsistent(world, "job");
  }
}

}  // namespace
}  // namespace fleetcast::scheduler
