#include "services/scheduler/starter.h"

#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/job_store/memory_job_store.h"
#include "libs/model/reasons.h"
#include "libs/telemetry/metrics.h"
#include "libs/testing/sim_clock.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::scheduler {
namespace {

class FakeTargets final : public TargetSource {
 public:
  absl::Status StreamTargets(std::string_view condition, std::string_view after_device_id, std::stop_token,
                             const std::function<absl::Status(std::vector<std::string> page)>& on_page) override {
    if (condition == "bad") {
      return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidCondition, "Line 1:1 Unexpected 'bad'");
    }
    asked_after.push_back(std::string(after_device_id));
    std::vector<std::string> page;
    for (const std::string& id : ids) {
      if (id <= after_device_id) continue;
      page.push_back(id);
      if (page.size() < 700) continue;
      absl::Status status = on_page(std::exchange(page, {}));
      if (!status.ok()) return status;
      if (--pages_until_break == 0) return absl::UnavailableError("broken");
    }
    return on_page(std::move(page));
  }

  std::vector<std::string> ids;
  std::vector<std::string> asked_after;
  int pages_until_break = 0;
};

class StarterTest : public ::testing::Test {
 protected:
  StarterTest() {
    options_.owner = "test";
    options_.page_targets = 2'000;
    options_.retry_after = absl::ZeroDuration();
  }

  void CreateJob(const std::string& condition, absl::Duration start_in = {}) {
    job_store::CreateRequest request;
    request.spec.id = "job";
    request.spec.condition = condition;
    request.spec.action = job_store::TwinAction{};
    request.spec.start_time = clock_.Now() + start_in;
    request.spec.execution_timeout = absl::Hours(1);
    ASSERT_TRUE(store_.CreateJob({}, request).ok());
  }
  // A job "again" on the devices that failed in `job_id`.
  void Repeat(const std::string& job_id) {
    job_store::CreateRequest request;
    request.spec.id = "again";
    request.spec.action = job_store::TwinAction{};
    request.spec.execution_timeout = absl::Hours(1);
    request.spec.retried = job_store::RetriedTargets{.job_id = job_id, .states = {ExecutionState::kFailed}};
    request.request_hash = "again";
    ASSERT_TRUE(store_.CreateJob({}, request).ok());
  }
  void AddDevices(int count) {
    for (int i = 0; i < count; ++i) targets_.ids.push_back(absl::StrFormat("device-%06d", i));
  }
  int RunOnce() {
    Starter starter(options_, store_, targets_, clock_, metrics_, [this] { ++started_; });
    return starter.RunOnce({});
  }
  job_store::Job GetJob() { return *store_.GetJob({}, "job"); }

  testing::SimClock clock_;
  job_store::MemoryJobStore store_{clock_};
  telemetry::Metrics registry_;
  SchedulerMetrics metrics_{registry_};
  FakeTargets targets_;
  StarterOptions options_;
  int started_ = 0;
};

TEST_F(StarterTest, FreezesTargetsInFullChunks) {
  AddDevices(4'321);
  CreateJob("*");
  EXPECT_EQ(RunOnce(), 1);
  EXPECT_EQ(started_, 1);
  EXPECT_EQ(GetJob().state, JobState::kRunning);
  EXPECT_EQ(GetJob().counts.total, 4'321);
  const auto leased = store_.LeaseChunks({}, {.owner = "test", .limit = 100});
  ASSERT_EQ(leased->size(), 5u);
  EXPECT_EQ(leased->at(3).device_ids.size(), 1'000u);
  EXPECT_EQ(leased->at(4).device_ids.size(), 321u);
}

TEST_F(StarterTest, LeavesJobsThatAreNotDue) {
  CreateJob("*", absl::Seconds(10));
  EXPECT_EQ(RunOnce(), 0);
  EXPECT_EQ(GetJob().state, JobState::kScheduled);
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(RunOnce(), 1);
}

TEST_F(StarterTest, CompletesAJobWithoutTargets) {
  CreateJob("*");
  EXPECT_EQ(RunOnce(), 1);
  EXPECT_EQ(GetJob().state, JobState::kCompleted);
}

TEST_F(StarterTest, FailsAJobWhoseConditionDoesNotParse) {
  CreateJob("bad");
  EXPECT_EQ(RunOnce(), 1);
  EXPECT_EQ(GetJob().state, JobState::kFailed);
  EXPECT_EQ(GetJob().failure_reason, "SQL query parse failed due to following errors: \n\tLine 1:1 Unexpected 'bad'");
}

TEST_F(StarterTest, GoesOnAtTheStoredPositionAfterABrokenStream) {
  AddDevices(5'000);
  targets_.pages_until_break = 4;  // After 2,800 ids: 2,000 are stored.
  CreateJob("*");
  EXPECT_EQ(RunOnce(), 1);
  EXPECT_EQ(GetJob().counts.total, 5'000);
  EXPECT_EQ(targets_.asked_after, std::vector<std::string>({"", "device-001999"}));
}

TEST_F(StarterTest, AnotherOwnerGoesOnWhenTheLeaseRunsOut) {
  AddDevices(5'000);
  targets_.pages_until_break = 4;
  options_.tries = 1;
  CreateJob("*");
  EXPECT_EQ(RunOnce(), 1);
  EXPECT_EQ(GetJob().state, JobState::kResolving);
  EXPECT_EQ(RunOnce(), 0);  // Still leased.
  clock_.Advance(options_.lease_ttl + absl::Seconds(1));
  EXPECT_EQ(RunOnce(), 1);
  EXPECT_EQ(GetJob().counts.total, 5'000);
}

TEST_F(StarterTest, RepeatsAJobOnTheDevicesThatFailed) {
  AddDevices(5'000);
  CreateJob("*");
  EXPECT_EQ(RunOnce(), 1);
  auto leased = store_.LeaseChunks({}, {.owner = "test", .limit = 100});
  for (const job_store::LeasedChunk& chunk : *leased) {
    std::vector<job_store::Outcome> outcomes;
    for (int position = 0; position < 1'000; ++position) {
      job_store::Outcome outcome;
      outcome.lease = chunk.lease;
      outcome.position = position;
      outcome.state = position % 2 == 0 ? ExecutionState::kFailed : ExecutionState::kSucceeded;
      outcomes.push_back(outcome);
    }
    ASSERT_TRUE(store_.RecordOutcomes({}, outcomes).ok());
  }
  ASSERT_EQ(GetJob().state, JobState::kCompleted);
  Repeat("job");
  targets_.ids.clear();  // It does not look at the fleet.
  EXPECT_EQ(RunOnce(), 1);
  EXPECT_EQ(store_.GetJob({}, "again")->counts.total, 2'500);
  leased = store_.LeaseChunks({}, {.owner = "test", .limit = 100});
  ASSERT_EQ(leased->size(), 3u);
  EXPECT_EQ(leased->at(0).device_ids.size(), 1'000u);  // Full chunks.
  EXPECT_EQ(leased->at(0).device_ids.at(1), "device-000002");
}

TEST_F(StarterTest, AJobThatRepeatsOneThatIsGoneFails) {
  Repeat("gone");
  EXPECT_EQ(RunOnce(), 1);
  EXPECT_EQ(store_.GetJob({}, "again")->state, JobState::kFailed);
  EXPECT_EQ(store_.GetJob({}, "again")->failure_reason, "The job whose devices were to be repeated is gone: gone.");
}

TEST_F(StarterTest, ThreadsStartJobsOnAHint) {
  AddDevices(10);
  options_.poll = absl::Hours(1);
  Starter starter(options_, store_, targets_, clock_, metrics_, [] {});
  starter.Start();
  CreateJob("*");
  starter.Hint();
  EXPECT_TRUE(testing::WaitFor([&] { return GetJob().state == JobState::kRunning; }));
  starter.Stop();
}

}  // namespace
}  // namespace fleetcast::scheduler
