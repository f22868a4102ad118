#include "services/job_api/watch_hub.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "libs/testing/wait_for.h"

namespace fleetcast::job_api {
namespace {

// Keeps what it was told.
class Recorder final : public Watcher {
 public:
  Answer OnJob(const jobs::v1::Job& job) override {
    MutexLock lock(mutex_);
    if (answer_ == Answer::kTaken) states_.push_back(job.state());
    return answer_;
  }
  void OnEnd(const absl::Status& status) override { ended_.set_value(status); }

  void set_answer(Answer answer) {
    MutexLock lock(mutex_);
    answer_ = answer;
  }
  std::vector<jobs::v1::Job::State> states() {
    MutexLock lock(mutex_);
    return states_;
  }
  absl::Status WaitForEnd() { return ended_.get_future().get(); }

 private:
  Mutex mutex_;
  Answer answer_ GUARDED_BY(mutex_) = Answer::kTaken;
  std::vector<jobs::v1::Job::State> states_ GUARDED_BY(mutex_);
  std::promise<absl::Status> ended_;
};

class WatchHubTest : public ::testing::Test {
 protected:
  absl::StatusOr<jobs::v1::Job> Read(const std::string& id) {
    ++reads_;
    if (id == "missing") return absl::NotFoundError("no such job");
    jobs::v1::Job job;
    job.set_state(state_);
    return job;
  }

  std::atomic<int> reads_ = 0;
  std::atomic<jobs::v1::Job::State> state_ = jobs::v1::Job::STATE_RUNNING;
  telemetry::Metrics metrics_;
  WatchHub hub_{SystemClock(), [this](const std::string& id) { return Read(id); }, metrics_};
};

TEST_F(WatchHubTest, GivesASnapshotThenChangesThenEnds) {
  auto watcher = std::make_shared<Recorder>();
  ASSERT_TRUE(hub_.Watch("a", kWatchIntervalMin, watcher).ok());
  ASSERT_TRUE(testing::WaitFor([&] { return watcher->states().size() == 1; }, absl::Seconds(10)));
  state_ = jobs::v1::Job::STATE_COMPLETED;
  EXPECT_TRUE(watcher->WaitForEnd().ok());
  EXPECT_EQ(watcher->states(),
            (std::vector<jobs::v1::Job::State>{jobs::v1::Job::STATE_RUNNING, jobs::v1::Job::STATE_COMPLETED}));
}

TEST_F(WatchHubTest, AMissingJobEndsTheWatch) {
  auto watcher = std::make_shared<Recorder>();
  ASSERT_TRUE(hub_.Watch("missing", kWatchIntervalMin, watcher).ok());
  EXPECT_TRUE(absl::IsNotFound(watcher->WaitForEnd()));
}

TEST_F(WatchHubTest, ManyWatchersOfAJobCostOneReader) {
  std::vector<std::shared_ptr<Recorder>> watchers;
  for (int i = 0; i < 100; ++i) {
    watchers.push_back(std::make_shared<Recorder>());
    ASSERT_TRUE(hub_.Watch("a", kWatchIntervalMin, watchers.back()).ok());
  }
  ASSERT_TRUE(testing::WaitFor([&] { return watchers.back()->states().size() == 1; }, absl::Seconds(10)));
  state_ = jobs::v1::Job::STATE_CANCELLED;
  for (const auto& watcher : watchers) EXPECT_TRUE(watcher->WaitForEnd().ok());
  EXPECT_LT(reads_, 300);  // One per turn, not one per watcher and turn.
}

TEST_F(WatchHubTest, ABusyWatcherGetsTheLastSnapshotOnceItCanTakeIt) {
  auto watcher = std::make_shared<Recorder>();
  watcher->set_answer(Watcher::Answer::kBusy);
  state_ = jobs::v1::Job::STATE_COMPLETED;
  ASSERT_TRUE(hub_.Watch("a", kWatchIntervalMin, watcher).ok());
  ASSERT_TRUE(testing::WaitFor([&] { return reads_ >= 2; }));
  watcher->set_answer(Watcher::Answer::kTaken);
  EXPECT_TRUE(watcher->WaitForEnd().ok());
  EXPECT_EQ(watcher->states(), (std::vector<jobs::v1::Job::State>{jobs::v1::Job::STATE_COMPLETED}));
}

TEST_F(WatchHubTest, AWatcherThatHasGoneIsForgotten) {
  auto watcher = std::make_shared<Recorder>();
  watcher->set_answer(Watcher::Answer::kGone);
  ASSERT_TRUE(hub_.Watch("a", kWatchIntervalMin, watcher).ok());
  EXPECT_TRUE(absl::IsCancelled(watcher->WaitForEnd()));
}

TEST_F(WatchHubTest, StopEndsOpenWatchesAndRefusesNewOnes) {
  auto watcher = std::make_shared<Recorder>();
  ASSERT_TRUE(hub_.Watch("a", kWatchIntervalMin, watcher).ok());
  hub_.Stop();
  EXPECT_TRUE(absl::IsUnavailable(watcher->WaitForEnd()));
  EXPECT_TRUE(absl::IsUnavailable(hub_.Watch("a", kWatchIntervalMin, watcher)));
}

}  // namespace
}  // namespace fleetcast::job_api
