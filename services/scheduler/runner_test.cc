#include "services/scheduler/runner.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/time/clock.h"
#include "libs/job_store/memory_job_store.h"
#include "libs/telemetry/metrics.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::scheduler {
namespace {

using testing::WaitFor;

// Answers every call at once, on the thread that sends it.
class EchoEffects final : public Effects {
 public:
  void Connect(Runner& runner) {
    runner_ = &runner;
    runner.Post([](Engine& engine) {
      engine.OnDispatcherUp(0, absl::UnixEpoch());
      engine.OnCredit(0, 10'000);
      engine.OnWriterUp(0);
    });
  }
  bool SendCalls(int, const CallBatch& batch) override {
    if (silent) return true;
    auto events = std::make_shared<std::vector<CallEvent>>();
    for (const CallBatch::Call& call : batch.calls) {
      CallEvent event;
      event.job_seq = batch.job->seq;
      event.target = call.target;
      event.kind = CallEvent::Kind::kAnswer;
      event.device_status = 200;
      events->push_back(event);
    }
    runner_->Post([events](Engine& engine) { engine.OnCallEvents(0, *events); });
    return true;
  }
  bool Ask(int, std::span<const TargetName>) override { return true; }
  void Acknowledge(int, std::span<const TargetName> targets) override { acknowledged += targets.size(); }
  bool Watch(int, std::span<const std::string>, std::span<const std::string>) override { return true; }
  bool SendSlices(int, const SliceBatch&) override { return true; }

  std::atomic<bool> silent = false;
  std::atomic<size_t> acknowledged = 0;

 private:
  Runner* runner_ = nullptr;
};

class RunnerTest : public ::testing::Test {
 protected:
  // A job on `devices` devices, frozen and running.
  void CreateRunningJob(int devices) {
    job_store::CreateRequest request;
    request.spec.id = "job";
    request.spec.action = job_store::MethodAction{
        .method = "lockDoor", .payload = "{}", .response_timeout = absl::Seconds(30), .connect_timeout = {}};
    request.spec.execution_timeout = absl::Hours(1);
    const absl::Time soon = absl::InfiniteFuture();
    ASSERT_TRUE(store_.CreateJob(soon, request).ok());
    ASSERT_TRUE(store_.PromoteDue(soon, 1).ok());
    auto lease = store_.AcquireResolve(soon, "test", absl::Seconds(10));
    ASSERT_TRUE(lease.ok() && lease->has_value());
    std::vector<std::string> ids;
    for (int i = 0; i < devices; ++i) ids.push_back("device-" + std::to_string(10'000 + i));
    ASSERT_TRUE(store_.AppendTargets(soon, **lease, ids, absl::Seconds(10)).ok());
    ASSERT_TRUE(store_.FinishResolve(soon, **lease).ok());
  }

  static EngineOptions Options() {
    EngineOptions options;
    options.owner = "test";
    return options;
  }

  job_store::JobCounts Counts() { return store_.GetJob(absl::InfiniteFuture(), "job")->counts; }

  job_store::MemoryJobStore store_{SystemClock()};
  telemetry::Metrics registry_;
  SchedulerMetrics metrics_{registry_};
  EchoEffects effects_;
  Runner runner_{Options(), 3, store_, effects_, SystemClock(), metrics_};
};

TEST_F(RunnerTest, RunsAJobOnRealThreads) {
  CreateRunningJob(5'000);
  runner_.Start();
  effects_.Connect(runner_);
  EXPECT_TRUE(WaitFor([&] { return Counts().succeeded == 5'000; }));
  EXPECT_TRUE(WaitFor([&] { return effects_.acknowledged == 5'000; }));
}

TEST_F(RunnerTest, ADrainGivesChunksBackWhenTimeIsUp) {
  CreateRunningJob(10);
  effects_.silent = true;
  runner_.Start();
  effects_.Connect(runner_);
  ASSERT_TRUE(WaitFor([&] { return Counts().running == 10; }));
  runner_.Drain(absl::Milliseconds(50));
  EXPECT_TRUE(WaitFor([&] {
    const auto leased = store_.LeaseChunks(absl::InfiniteFuture(), {.owner = "next", .limit = 1});
    return !leased->empty() && leased->front().in_flight.size() == 10;
  }));
}

TEST_F(RunnerTest, ADrainWithoutWorkReturnsAtOnce) {
  runner_.Start();
  const absl::Time start = absl::Now();
  runner_.Drain(absl::Seconds(60));
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

}  // namespace
}  // namespace fleetcast::scheduler
