#include "services/job_api/watch_view.h"

#include <gtest/gtest.h>

namespace fleetcast::job_api {
namespace {

using jobs::v1::Job;

Job RunningJobMessage() {
  Job job;
  job.set_id("a");
  job.set_condition("*");
  job.set_state(Job::STATE_RUNNING);
  job.set_etag("1");
  job.mutable_statistics()->set_total(10);
  return job;
}

TEST(WatchViewTest, WithoutATokenTellsTheWholeJob) {
  const WatchView view(RunningJobMessage());
  const auto* message = view.MessageFor("");
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->job().SerializeAsString(), RunningJobMessage().SerializeAsString());
  EXPECT_FALSE(message->has_delta());
  EXPECT_EQ(message->resume_token(), view.token());
  EXPECT_LE(view.token().size(), 256u);
}

TEST(WatchViewTest, TellsNothingWhenNothingHasChanged) {
  EXPECT_EQ(WatchView(RunningJobMessage()).MessageFor(WatchView(RunningJobMessage()).token()), nullptr);
}

TEST(WatchViewTest, TellsEveryPartThatChangesInADelta) {
  const std::string seen = WatchView(RunningJobMessage()).token();
  Job job = RunningJobMessage();
  job.set_state(Job::STATE_CANCELLED);
  job.mutable_statistics()->set_succeeded(7);
  job.mutable_actual_start_time()->set_seconds(1);
  job.mutable_end_time()->set_seconds(2);
  job.mutable_pause_time()->set_seconds(3);
  job.set_failure_reason("Aborted");
  job.set_etag("2");
  const WatchView view(job);
  const auto* message = view.MessageFor(seen);
  ASSERT_NE(message, nullptr);
  EXPECT_FALSE(message->has_job());
  const jobs::v1::JobDelta& delta = message->delta();
  EXPECT_EQ(delta.state(), Job::STATE_CANCELLED);
  EXPECT_EQ(delta.statistics().total(), 10);
  EXPECT_EQ(delta.statistics().succeeded(), 7);
  EXPECT_EQ(delta.actual_start_time().seconds(), 1);
  EXPECT_EQ(delta.end_time().seconds(), 2);
  EXPECT_EQ(delta.pause_time().seconds(), 3);
  EXPECT_EQ(delta.failure_reason(), "Aborted");
  EXPECT_EQ(delta.etag(), "2");
  EXPECT_TRUE(view.is_over());
  EXPECT_EQ(view.MessageFor(message->resume_token()), nullptr);
}

TEST(WatchViewTest, TellsTheWholeJobWhenTheRestHasChanged) {
  const std::string seen = WatchView(RunningJobMessage()).token();
  Job job = RunningJobMessage();
  job.mutable_rollout()->set_maximum_per_minute(600);
  const WatchView view(job);
  ASSERT_NE(view.MessageFor(seen), nullptr);
  EXPECT_TRUE(view.MessageFor(seen)->has_job());
}

TEST(WatchViewTest, TokensOfOtherJobsAndGarbageAreAnsweredWithTheWholeJob) {
  Job other = RunningJobMessage();
  other.set_id("b");
  const WatchView view(RunningJobMessage());
  std::string flipped = view.token();
  flipped[1] = flipped[1] == '0' ? '1' : '0';
  for (const std::string& token : {WatchView(other).token(), flipped, std::string("garbage"), std::string(256, '\0'),
                                   view.token() + "0", view.token().substr(0, 33)}) {
    ASSERT_NE(view.MessageFor(token), nullptr) << token;
    EXPECT_TRUE(view.MessageFor(token)->has_job()) << token;
  }
}

}  // namespace
}  // namespace fleetcast::job_api
