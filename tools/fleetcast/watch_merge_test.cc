#include "tools/fleetcast/watch_merge.h"

#include <gtest/gtest.h>

namespace fleetcast::cli {
namespace {

using jobs::v1::Job;

Job PausedJob() {
  Job job;
  job.set_id("a");
  job.set_condition("*");
  job.set_state(Job::STATE_RUNNING);
  job.set_etag("1");
  job.mutable_pause_time()->set_seconds(1);
  job.mutable_statistics()->set_total(10);
  return job;
}

TEST(WatchMergeTest, AJobReplacesAll) {
  Job job = PausedJob();
  jobs::v1::WatchJobResponse message;
  message.mutable_job()->set_id("a");
  Merge(message, job);
  EXPECT_EQ(job.SerializeAsString(), message.job().SerializeAsString());
}

TEST(WatchMergeTest, ADeltaReplacesItsPartsAlsoByNothing) {
  Job job = PausedJob();
  jobs::v1::WatchJobResponse message;
  message.mutable_delta()->set_state(Job::STATE_COMPLETED);
  message.mutable_delta()->set_etag("2");
  message.mutable_delta()->mutable_statistics()->set_succeeded(10);
  message.mutable_delta()->mutable_end_time()->set_seconds(5);
  Merge(message, job);
  EXPECT_EQ(job.condition(), "*");
  EXPECT_EQ(job.state(), Job::STATE_COMPLETED);
  EXPECT_EQ(job.etag(), "2");
  EXPECT_EQ(job.statistics().total(), 0);
  EXPECT_EQ(job.statistics().succeeded(), 10);
  EXPECT_EQ(job.end_time().seconds(), 5);
  EXPECT_FALSE(job.has_pause_time());
}

}  // namespace
}  // namespace fleetcast::cli
