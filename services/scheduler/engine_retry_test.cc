// Retries, and devices that are waited for, on a memory store and a simulated fleet (reliability 2.3).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/scheduler/engine.h"
#include "services/scheduler/sim/device_log.h"

namespace fleetcast::scheduler {
namespace {

using job_store::Job;
using job_store::JobSpec;
using sim::Calls;
using sim::EachDevice;
using sim::SimDevice;
using sim::SimOptions;
using sim::SimWorld;

void Retry(JobSpec& spec, FailureType type, int retries) {
  spec.retry.idempotent = true;
  spec.retry.criteria = {{type, retries}};
  spec.retry.backoff_min = absl::Milliseconds(200);
  spec.retry.backoff_max = absl::Seconds(2);
}

// --- Retries ------------------------------------------------------------------------------------------------------

TEST(RetriesTest, DevicesThatFailAreCalledAgain) {
  SimWorld world({});
  world.AddDevices(1'200);
  EachDevice(world, [](SimDevice& device) { device.failures = 2; });
  world.CreateMethodJob("job", [](JobSpec& spec) { Retry(spec, FailureType::kDeviceError, 2); });
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(5)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.counts.succeeded, 1'200);
  EXPECT_EQ(job.counts.device_errors, 0);
  EXPECT_EQ(Calls(world, job), 3'600);
  EXPECT_TRUE(world.Run(absl::Seconds(1), [&] { return world.fleet().kept_results() == 0; }));  // All acknowledged.
}

TEST(RetriesTest, NoMoreThanAllowedWhateverCrashes) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SimOptions options;
    options.seed = seed;
    SimWorld world(options);
    world.AddDevices(300);
    EachDevice(world, [](SimDevice& device) {
      device.failures = 1'000;
      device.answer_after = absl::Milliseconds(150);
    });
    world.CreateMethodJob("job", [](JobSpec& spec) { Retry(spec, FailureType::kAll, 3); });
    world.Start();
    for (int i = 0; i < 5; ++i) {
      world.Run(absl::Milliseconds(200 + 97 * static_cast<int>(seed)));
      if (i % 2 == 0) {
        world.Kill();
        world.Start();
      } else {
        world.fleet().BreakDispatcher(0, absl::Milliseconds(300));
      }
    }
    ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(10))) << seed;
    const Job job = world.GetJob("job");
    for (auto& [id, device] : world.fleet().devices()) {
      EXPECT_LE(device.calls[job.seq], 4) << id << " seed " << seed;
      EXPECT_GE(device.calls[job.seq], 1) << id << " seed " << seed;
    }
    EXPECT_EQ(job.counts.device_errors, 300) << seed;
  }
}

TEST(RetriesTest, ACancelKeepsTheTrueEndOfWhatWaitsForItsRetry) {
  SimWorld world({});
  world.AddDevices(100);
  EachDevice(world, [](SimDevice& device) { device.failures = 1'000; });
  world.CreateMethodJob("job", [](JobSpec& spec) {
    Retry(spec, FailureType::kDeviceError, 5);
    spec.retry.backoff_min = absl::Minutes(10);
    spec.retry.backoff_max = absl::Minutes(10);
  });
  world.Start();
  world.Run(absl::Seconds(2));
  EXPECT_EQ(world.GetJob("job").counts.running, 100);
  ASSERT_TRUE(world.store().CancelJob(world.clock().Now(), {.job_id = "job", .drain = absl::Minutes(1)}).ok());
  world.engine()->OnHint();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Seconds(10)));
  EXPECT_EQ(world.GetJob("job").counts.device_errors, 100);
}

TEST(RetriesTest, ThoseThatWereNotOnlineAreWaitedForAgain) {
  SimWorld world({});
  world.AddDevices(10);
  EachDevice(world, [](SimDevice& device) { device.online = false; });
  world.CreateMethodJob("job", [](JobSpec& spec) { Retry(spec, FailureType::kNotOnline, 3); });
  world.Start();
  world.Run(absl::Seconds(8));
  for (int i = 0; i < 5; ++i) world.fleet().SetOnline(world.DeviceId(i), true);
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(2)));
  EXPECT_EQ(world.GetJob("job").counts.succeeded, 5);
  EXPECT_EQ(world.GetJob("job").counts.failed, 5);
}

// --- Devices that are waited for ----------------------------------------------------------------------------------

void WaitForConnection(JobSpec& spec) { std::get<job_store::MethodAction>(spec.action).wait_for_connection = true; }

TEST(WaitingTest, AnOfflineFleetCostsNoCallAndDevicesAreCalledWhenTheyConnect) {
  SimOptions options;
  options.engine.chunks_active_max = 4;
  SimWorld world(options);
  world.AddDevices(12'000);
  EachDevice(world, [](SimDevice& device) { device.online = false; });
  world.fleet().device(world.DeviceId(7)).online = true;  // Was there before.
  world.CreateMethodJob("job", WaitForConnection);
  world.Start();
  world.Run(absl::Minutes(10));
  EXPECT_EQ(world.fleet().sent(), 1u);
  EXPECT_EQ(world.GetJob("job").counts.succeeded, 1);
  EXPECT_EQ(world.engine()->chunks(), 12u);          // More than may be busy.
  EXPECT_LE(world.fleet().watches(), 12'000u * 14);  // Once, and every 60 s again.
  for (int i = 0; i < 100; ++i) world.fleet().SetOnline(world.DeviceId(i * 100), true);
  EXPECT_TRUE(world.Run(absl::Seconds(1), [&] { return world.GetJob("job").counts.succeeded == 101; }));
}

TEST(WaitingTest, TheJobsEndEndsTheWait) {
  SimWorld world({});
  world.AddDevices(50);
  EachDevice(world, [](SimDevice& device) { device.online = false; });
  world.CreateMethodJob("job", [](JobSpec& spec) {
    WaitForConnection(spec);
    spec.execution_timeout = absl::Seconds(30);
  });
  world.Start();
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Seconds(40)));
  EXPECT_EQ(world.GetJob("job").counts.timed_out, 50);
  EXPECT_EQ(world.fleet().sent(), 0u);
}

TEST(WaitingTest, TheDefaultPolicyCallsAnOfflineDeviceOnce) {
  SimWorld world({});
  world.AddDevices(1'000);
  EachDevice(world, [](SimDevice& device) { device.online = false; });
  world.CreateMethodJob("job", [](JobSpec& spec) {
    std::get<job_store::MethodAction>(spec.action).connect_timeout = absl::Seconds(250);
  });
  world.Start();
  world.Run(absl::Seconds(240));
  EXPECT_EQ(world.fleet().sent(), 1'000u);
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Seconds(20)));
  EXPECT_EQ(world.GetJob("job").counts.failed, 1'000);
}

TEST(WaitingTest, ACrashLosesNobodyWhoWaits) {
  SimWorld world({});
  world.AddDevices(2'000);
  EachDevice(world, [](SimDevice& device) { device.online = false; });
  world.CreateMethodJob("job", WaitForConnection);
  world.Start();
  world.Run(absl::Seconds(2));
  world.Kill();
  for (int i = 0; i < 1'000; ++i) world.fleet().SetOnline(world.DeviceId(i), true);
  world.Start();
  world.Run(absl::Seconds(15));
  world.fleet().CrashDispatcher(0, absl::Seconds(1));
  for (int i = 1'000; i < 2'000; ++i) world.fleet().SetOnline(world.DeviceId(i), true);
  ASSERT_TRUE(world.RunUntilEnded("job", absl::Minutes(5)));
  const Job job = world.GetJob("job");
  EXPECT_EQ(job.counts.succeeded, 2'000);
  for (auto& [id, device] : world.fleet().devices()) EXPECT_EQ(device.calls[job.seq], 1) << id;
}

}  // namespace
}  // namespace fleetcast::scheduler
