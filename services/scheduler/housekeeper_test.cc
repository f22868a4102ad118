#include "services/scheduler/housekeeper.h"

#include "absl/time/clock.h"
#include "libs/job_store/memory_job_store.h"
#include "libs/testing/sim_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::scheduler {
namespace {

using fleetcast::testing::WaitFor;

class HousekeeperTest : public ::testing::Test {
 protected:
  // A job that has ended.
  void MakeEndedJob() {
    job_store::CreateRequest request;
    request.spec.id = "job";
    request.spec.condition = "*";
    request.spec.action = job_store::MethodAction{"reboot", "", absl::Seconds(30), absl::ZeroDuration()};
    FLEETCAST_ASSERT_OK(store_.CreateJob(absl::InfiniteFuture(), request));
    FLEETCAST_ASSERT_OK(store_.CancelJob(absl::InfiniteFuture(), {.job_id = "job", .drain = absl::ZeroDuration()}));
  }
  bool HasJob() { return store_.GetJob(absl::InfiniteFuture(), "job").ok(); }
  bool Sleeps() {
    return WaitFor([this] { return clock_.sleepers() == 1; });
  }

  testing::SimClock clock_;
  job_store::MemoryJobStore store_{clock_};
  telemetry::Metrics metrics_;
  SchedulerMetrics scheduler_metrics_{metrics_};
  Housekeeper housekeeper_{
      {.interval = absl::Minutes(10), .retention = absl::Hours(48)}, store_, clock_, scheduler_metrics_};
};

TEST_F(HousekeeperTest, RemovesWhatIsOlderThanTheRetentionAtItsNextRound) {
  MakeEndedJob();
  housekeeper_.Start();
  ASSERT_TRUE(Sleeps());
  EXPECT_TRUE(HasJob());
  clock_.Advance(absl::Hours(100));
  EXPECT_TRUE(WaitFor([this] { return !HasJob(); }));
  ASSERT_TRUE(Sleeps());
  housekeeper_.Stop();
  EXPECT_EQ(scheduler_metrics_.jobs_removed.value(), 1);
}

TEST_F(HousekeeperTest, LooksRightAfterItsStart) {
  MakeEndedJob();
  clock_.Advance(absl::Hours(100));
  housekeeper_.Start();
  EXPECT_TRUE(WaitFor([this] { return !HasJob(); }));
  housekeeper_.Stop();
}

TEST_F(HousekeeperTest, KeepsWhatEndedLessThanTheRetentionAgo) {
  MakeEndedJob();
  clock_.Advance(absl::Hours(47));
  housekeeper_.RunOnce();
  EXPECT_TRUE(HasJob());
  EXPECT_EQ(scheduler_metrics_.jobs_removed.value(), 0);
}

}  // namespace
}  // namespace fleetcast::scheduler
