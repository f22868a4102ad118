#include "services/job_api/watch_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "libs/testing/wait_for.h"

namespace fleetcast::job_api {
namespace {

using jobs::v1::Job;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr absl::Duration kTurn = absl::Milliseconds(20);  // Shorter than in production, so that the tests are quick.

// Keeps what it was told.
class Recorder final : public Watcher {
 public:
  struct Told {
    bool is_snapshot;
    Job::State state;
    int64_t succeeded;
    std::string token;
    absl::Duration when;
  };

  Answer OnMessage(const jobs::v1::WatchJobResponse& message) override {
    MutexLock lock(mutex_);
    if (answer_ != Answer::kTaken) return answer_;
    const auto& delta = message.delta();
    told_.push_back({message.has_job(), message.has_job() ? message.job().state() : delta.state(),
                     message.has_job() ? message.job().statistics().succeeded() : delta.statistics().succeeded(),
                     message.resume_token(), SystemClock().Monotonic()});
    return answer_;
  }
  bool is_gone() const override { return gone_; }
  void OnEnd(const absl::Status& status) override { ended_.set_value(status); }

  void Leave() { gone_ = true; }
  void set_answer(Answer answer) {
    MutexLock lock(mutex_);
    answer_ = answer;
  }
  std::vector<Told> told() {
    MutexLock lock(mutex_);
    return told_;
  }
  std::vector<Job::State> states() {
    std::vector<Job::State> states;
    for (const Told& each : told()) states.push_back(each.state);
    return states;
  }
  absl::Status WaitForEnd() { return ended_.get_future().get(); }

 private:
  std::atomic<bool> gone_ = false;
  Mutex mutex_;
  Answer answer_ GUARDED_BY(mutex_) = Answer::kTaken;
  std::vector<Told> told_ GUARDED_BY(mutex_);
  std::promise<absl::Status> ended_;
};

class WatchHubTest : public ::testing::Test {
 protected:
  absl::StatusOr<Job> Read(const std::string& id) {
    ++reads_;
    if (id == "missing") return absl::NotFoundError("no such job");
    Job job;
    job.set_id(id);
    job.set_state(state_);
    job.set_priority(priority_);
    job.mutable_statistics()->set_succeeded(succeeded_);
    return job;
  }

  std::shared_ptr<Recorder> Watch(const std::string& id, const std::string& token = "",
                                  absl::Duration interval = kTurn) {
    auto watcher = std::make_shared<Recorder>();
    EXPECT_TRUE(hub_.Watch({id, interval, token, watcher}).ok());
    return watcher;
  }
  // The token of one who has seen job `id` as it now is.
  std::string SeenToken(const std::string& id) { return WatchView(*Read(id)).token(); }
  // Waits for so many more turns of the hub over its watched jobs.
  bool WaitForReads(int more) {
    const int from = reads_;
    return testing::WaitFor([&] { return reads_ >= from + more; });
  }

  std::atomic<int> reads_ = 0;
  std::atomic<Job::State> state_ = Job::STATE_RUNNING;
  std::atomic<int> priority_ = 5;
  std::atomic<int64_t> succeeded_ = 0;
  telemetry::Metrics metrics_;
  WatchHub hub_{SystemClock(), [this](const std::string& id) { return Read(id); }, metrics_, kTurn};
};

TEST_F(WatchHubTest, GivesASnapshotThenDeltasThenEnds) {
  const auto watcher = Watch("a");
  ASSERT_TRUE(testing::WaitFor([&] { return watcher->told().size() == 1; }));
  succeeded_ = 7;
  ASSERT_TRUE(testing::WaitFor([&] { return watcher->told().size() == 2; }));
  state_ = Job::STATE_COMPLETED;
  EXPECT_TRUE(watcher->WaitForEnd().ok());
  const auto told = watcher->told();
  ASSERT_THAT(told, SizeIs(3));
  EXPECT_TRUE(told[0].is_snapshot);
  EXPECT_FALSE(told[1].is_snapshot);
  EXPECT_EQ(told[1].succeeded, 7);
  EXPECT_FALSE(told[2].is_snapshot);
  EXPECT_EQ(told[2].state, Job::STATE_COMPLETED);
}

TEST_F(WatchHubTest, GivesASnapshotAgainWhenMoreThanADeltaHasChanged) {
  const auto watcher = Watch("a");
  ASSERT_TRUE(testing::WaitFor([&] { return watcher->told().size() == 1; }));
  priority_ = 9;
  ASSERT_TRUE(testing::WaitFor([&] { return watcher->told().size() == 2; }));
  EXPECT_TRUE(watcher->told()[1].is_snapshot);
}

TEST_F(WatchHubTest, AMissingJobEndsTheWatch) { EXPECT_TRUE(absl::IsNotFound(Watch("missing")->WaitForEnd())); }

TEST_F(WatchHubTest, AResumedWatchIsSilentUntilSomethingChanges) {
  const auto watcher = Watch("a", SeenToken("a"));
  ASSERT_TRUE(WaitForReads(3));
  EXPECT_THAT(watcher->told(), SizeIs(0));
  succeeded_ = 3;
  ASSERT_TRUE(testing::WaitFor([&] { return !watcher->told().empty(); }));
  EXPECT_FALSE(watcher->told()[0].is_snapshot);
  EXPECT_EQ(watcher->told()[0].succeeded, 3);
}

TEST_F(WatchHubTest, AResumedWatchGetsWhatHasChangedMeanwhile) {
  const std::string token = SeenToken("a");
  succeeded_ = 5;
  state_ = Job::STATE_COMPLETED;
  const auto watcher = Watch("a", token);
  EXPECT_TRUE(watcher->WaitForEnd().ok());
  ASSERT_THAT(watcher->told(), SizeIs(1));
  EXPECT_FALSE(watcher->told()[0].is_snapshot);
  EXPECT_EQ(watcher->told()[0].succeeded, 5);
}

TEST_F(WatchHubTest, AResumedWatchOfAnEndedJobThatWasSeenEndsWithoutAWord) {
  state_ = Job::STATE_COMPLETED;
  const auto watcher = Watch("a", SeenToken("a"));
  EXPECT_TRUE(watcher->WaitForEnd().ok());
  EXPECT_THAT(watcher->told(), SizeIs(0));
}

TEST_F(WatchHubTest, AForeignOrBadTokenIsAnsweredWithASnapshot) {
  for (const std::string& token : {SeenToken("b"), std::string("garbage"), std::string(100'000, 'x')}) {
    const auto watcher = Watch("a", token);
    ASSERT_TRUE(testing::WaitFor([&] { return !watcher->told().empty(); }));
    EXPECT_TRUE(watcher->told()[0].is_snapshot);
  }
}

TEST_F(WatchHubTest, EachTokenResumesWhereItWasGiven) {
  const auto first = Watch("a");
  ASSERT_TRUE(testing::WaitFor([&] { return first->told().size() == 1; }));
  succeeded_ = 1;
  ASSERT_TRUE(testing::WaitFor([&] { return first->told().size() == 2; }));
  const auto second = Watch("a", first->told()[1].token);
  succeeded_ = 2;
  ASSERT_TRUE(testing::WaitFor([&] { return !second->told().empty(); }));
  EXPECT_FALSE(second->told()[0].is_snapshot);
  EXPECT_EQ(second->told()[0].succeeded, 2);
}

TEST_F(WatchHubTest, ChangesWithinAnIntervalAreOneMessage) {
  constexpr absl::Duration kInterval = absl::Milliseconds(500);
  constexpr int kChanges = 100;
  const auto watcher = Watch("a", "", kInterval);
  ASSERT_TRUE(testing::WaitFor([&] { return watcher->told().size() == 1; }));
  for (int i = 0; i < kChanges; ++i) ++succeeded_;
  ASSERT_TRUE(testing::WaitFor([&] { return watcher->told().back().succeeded == kChanges; }));
  const auto told = watcher->told();
  EXPECT_LE(told.size(), 3u);                                 // Two deltas, should the hub have read among the changes.
  EXPECT_GE(told.back().when - told[0].when, kInterval / 2);  // Less the time that noting the first one took.
}

TEST_F(WatchHubTest, ManyWatchersOfAJobCostOneReader) {
  std::vector<std::shared_ptr<Recorder>> watchers;
  for (int i = 0; i < 100; ++i) watchers.push_back(Watch("a"));
  ASSERT_TRUE(testing::WaitFor([&] { return watchers.back()->told().size() == 1; }));
  const int before = reads_;
  succeeded_ = 1;
  for (const auto& watcher : watchers) ASSERT_TRUE(testing::WaitFor([&] { return watcher->told().size() == 2; }));
  EXPECT_LT(reads_ - before, static_cast<int>(watchers.size()));  // One a turn, not one for each watcher.
  state_ = Job::STATE_CANCELLED;
  for (const auto& watcher : watchers) EXPECT_TRUE(watcher->WaitForEnd().ok());
}

TEST_F(WatchHubTest, ABusyWatcherGetsAllThatItHasMissedInOneMessage) {
  const auto busy = Watch("a");
  const auto quick = Watch("a");
  ASSERT_TRUE(testing::WaitFor([&] { return busy->told().size() == 1 && quick->told().size() == 1; }));
  busy->set_answer(Watcher::Answer::kBusy);
  succeeded_ = 1;
  ASSERT_TRUE(testing::WaitFor([&] { return quick->told().size() == 2; }));
  succeeded_ = 2;
  ASSERT_TRUE(testing::WaitFor([&] { return quick->told().size() == 3; }));
  busy->set_answer(Watcher::Answer::kTaken);
  state_ = Job::STATE_COMPLETED;
  EXPECT_TRUE(busy->WaitForEnd().ok());
  EXPECT_EQ(busy->told().back().succeeded, 2);
  EXPECT_EQ(busy->told().back().state, Job::STATE_COMPLETED);
  EXPECT_LE(busy->told().size(), 3u);
}

TEST_F(WatchHubTest, ABusyWatcherOfAnEndedJobIsOfferedTheEndUntilItTakesIt) {
  state_ = Job::STATE_COMPLETED;
  auto watcher = std::make_shared<Recorder>();
  watcher->set_answer(Watcher::Answer::kBusy);
  ASSERT_TRUE(hub_.Watch({"a", kTurn, "", watcher}).ok());
  ASSERT_TRUE(WaitForReads(2));
  watcher->set_answer(Watcher::Answer::kTaken);
  EXPECT_TRUE(watcher->WaitForEnd().ok());
  EXPECT_THAT(watcher->states(), ElementsAre(Job::STATE_COMPLETED));
}

TEST_F(WatchHubTest, AWatcherThatHasGoneIsForgotten) {
  auto watcher = std::make_shared<Recorder>();
  watcher->set_answer(Watcher::Answer::kGone);
  ASSERT_TRUE(hub_.Watch({"a", kTurn, "", watcher}).ok());
  EXPECT_TRUE(absl::IsCancelled(watcher->WaitForEnd()));
}

TEST_F(WatchHubTest, ASilentWatcherThatHasGoneIsForgottenToo) {
  const auto watcher = Watch("a", SeenToken("a"));
  ASSERT_TRUE(WaitForReads(1));
  watcher->Leave();
  EXPECT_TRUE(absl::IsCancelled(watcher->WaitForEnd()));
}

TEST_F(WatchHubTest, StopEndsOpenWatchesAndRefusesNewOnes) {
  const auto watcher = Watch("a");
  hub_.Stop();
  EXPECT_TRUE(absl::IsUnavailable(watcher->WaitForEnd()));
  EXPECT_TRUE(absl::IsUnavailable(hub_.Watch({"a", kTurn, "", watcher})));
}

}  // namespace
}  // namespace fleetcast::job_api
