// The scheduler on a real database and real streams.
#include <gtest/gtest.h>

#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/schema.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/wait_for.h"
#include "services/scheduler/testing/fake_hops.h"
#include "services/scheduler/testing/live_scheduler.h"

namespace fleetcast::scheduler {
namespace {

using testing::PrivatePostgres;
using testing::WaitFor;

constexpr int kDevices = 3'700;

class SchedulerIntegrationTest : public ::testing::Test {
 protected:
  SchedulerIntegrationTest() {
    FLEETCAST_EXPECT_OK(postgres::Migrate(pool_, absl::Now() + absl::Seconds(20), job_store::kSchemaName,
                                          job_store::SchemaMigrations()));
    config_.method_addresses = {hops_.address()};
    config_.twin_addresses = {hops_.address()};
    config_.lease_ttl = absl::Seconds(2);
    config_.permit_lifetime = absl::Milliseconds(400);
  }

  void CreateJob(const std::string& id, job_store::Action action) {
    job_store::CreateRequest request;
    request.request_hash = id;
    request.spec.id = id;
    request.spec.condition = "*";
    request.spec.action = std::move(action);
    request.spec.execution_timeout = absl::Hours(1);
    FLEETCAST_EXPECT_OK(store_.CreateJob(absl::Now() + absl::Seconds(10), request));
  }
  void CreateMethodJob(const std::string& id) {
    CreateJob(id, job_store::MethodAction{.method = "lockDoor",
                                          .payload = R"({"floor":3})",
                                          .response_timeout = absl::Seconds(30),
                                          .connect_timeout = {}});
  }

  job_store::Job GetJob(const std::string& id) {
    auto job = store_.GetJob(absl::Now() + absl::Seconds(10), id);
    FLEETCAST_EXPECT_OK(job);
    return *job;
  }
  bool WaitUntilEnded(const std::string& id) {
    return WaitFor([&] { return IsTerminal(GetJob(id).state); }, absl::Seconds(60));
  }

  telemetry::Metrics registry_;
  postgres::Pool pool_{{.connection_string = PrivatePostgres::Shared().NewDatabase(),
                        .application_name = "scheduler_test",
                        .connections = 10},
                       registry_};
  job_store::PostgresJobStore store_{pool_};
  FakeHops hops_{kDevices};
  Config config_;
};

TEST_F(SchedulerIntegrationTest, RunsAMethodJob) {
  CreateMethodJob("job");
  LiveScheduler scheduler(config_, store_);
  ASSERT_TRUE(WaitUntilEnded("job"));
  const job_store::Job job = GetJob("job");
  EXPECT_EQ(job.state, JobState::kCompleted);
  EXPECT_EQ(job.counts.succeeded, kDevices);
  EXPECT_EQ(hops_.dispatch.calls(), static_cast<size_t>(kDevices));
  EXPECT_EQ(hops_.dispatch.MostCalls(), 1);
  EXPECT_TRUE(WaitFor([&] { return hops_.dispatch.kept() == 0; }));
  const auto execution = store_.GetExecution(absl::Now() + absl::Seconds(10), "job", "device-0001234");
  FLEETCAST_ASSERT_OK(execution);
  EXPECT_EQ(execution->device_status, 200);
  EXPECT_EQ(execution->payload, R"({"locked":true})");
}

TEST_F(SchedulerIntegrationTest, RunsATwinJob) {
  CreateJob("job", job_store::TwinAction{.tags_patch = R"({"building":"43"})", .desired_patch = "", .etag = "*"});
  LiveScheduler scheduler(config_, store_);
  ASSERT_TRUE(WaitUntilEnded("job"));
  EXPECT_EQ(GetJob("job").counts.succeeded, kDevices);
  EXPECT_EQ(hops_.twin.written(), kDevices);
}

TEST_F(SchedulerIntegrationTest, ACrashInTheMiddleLosesNothingAndCallsNobodyTwice) {
  hops_.dispatch.HoldAnswers(true);
  CreateMethodJob("job");
  {
    LiveScheduler scheduler(config_, store_);
    ASSERT_TRUE(WaitFor([&] { return hops_.dispatch.calls() > 1'000; }));
  }
  hops_.dispatch.HoldAnswers(false);
  LiveScheduler scheduler(config_, store_);
  ASSERT_TRUE(WaitUntilEnded("job"));
  EXPECT_EQ(GetJob("job").counts.succeeded, kDevices);
  EXPECT_EQ(hops_.dispatch.MostCalls(), 1);
}

TEST_F(SchedulerIntegrationTest, TwoSchedulersShareJobs) {
  for (int i = 0; i < 4; ++i) CreateMethodJob("job-" + std::to_string(i));
  LiveScheduler first(config_, store_);
  LiveScheduler second(config_, store_);
  for (int i = 0; i < 4; ++i) {
    const std::string id = "job-" + std::to_string(i);
    ASSERT_TRUE(WaitUntilEnded(id));
    EXPECT_EQ(GetJob(id).counts.succeeded, kDevices);
  }
  EXPECT_EQ(hops_.dispatch.calls(), static_cast<size_t>(4 * kDevices));
  EXPECT_EQ(hops_.dispatch.MostCalls(), 1);
}

}  // namespace
}  // namespace fleetcast::scheduler
