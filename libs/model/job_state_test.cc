#include "libs/model/job_state.h"

#include "gtest/gtest.h"

namespace fleetcast {
namespace {

constexpr JobState kJobStates[] = {JobState::kQueued,  JobState::kScheduled,  JobState::kResolving,
                                   JobState::kRunning, JobState::kCancelling, JobState::kCompleted,
                                   JobState::kFailed,  JobState::kCancelled};
constexpr JobEvent kJobEvents[] = {JobEvent::kTimerArmed,      JobEvent::kDue,    JobEvent::kTargetsFrozen,
                                   JobEvent::kAllTargetsEnded, JobEvent::kFailed, JobEvent::kCancelRequested};

TEST(JobStateTest, NeverLeavesATerminalState) {
  for (const JobState state : kJobStates) {
    for (const JobEvent event : kJobEvents) {
      if (!IsTerminal(state)) continue;
      EXPECT_FALSE(NextJobState(state, event).has_value()) << JobStateName(state);
    }
  }
}

TEST(JobStateTest, NeverGoesBackwards) {
  for (const JobState state : kJobStates) {
    for (const JobEvent event : kJobEvents) {
      const std::optional<JobState> next = NextJobState(state, event);
      if (!next.has_value()) continue;
      EXPECT_GT(static_cast<int>(*next), static_cast<int>(state));
    }
  }
}

TEST(JobStateTest, RunsTheUsualCourse) {
  JobState state = JobState::kQueued;
  for (const JobEvent event :
       {JobEvent::kTimerArmed, JobEvent::kDue, JobEvent::kTargetsFrozen, JobEvent::kAllTargetsEnded}) {
    const std::optional<JobState> next = NextJobState(state, event);
    ASSERT_TRUE(next.has_value()) << JobStateName(state);
    state = *next;
  }
  EXPECT_EQ(state, JobState::kCompleted);
}

TEST(JobStateTest, SettlesARunningJobBeforeItIsCancelled) {
  EXPECT_EQ(NextJobState(JobState::kRunning, JobEvent::kCancelRequested), JobState::kCancelling);
  EXPECT_EQ(NextJobState(JobState::kCancelling, JobEvent::kAllTargetsEnded), JobState::kCancelled);
  EXPECT_EQ(NextJobState(JobState::kScheduled, JobEvent::kCancelRequested), JobState::kCancelled);
}

}  // namespace
}  // namespace fleetcast
