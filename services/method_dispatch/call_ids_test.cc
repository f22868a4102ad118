#include "services/method_dispatch/call_ids.h"

#include <gtest/gtest.h>

#include <set>

namespace fleetcast::method_dispatch {
namespace {

TEST(CallIdsTest, AttemptsOfAnExecutionShareTheirFirst48Bits) {
  CallIds ids(0x1234'5678'9abc'def0);
  std::set<CallId> all;
  for (int attempt = 0; attempt <= CallIds::kAttemptMax; ++attempt) {
    const CallId id = ids.Next({.job_seq = 7, .position = 12, .attempt = attempt});
    EXPECT_EQ(id >> 16, CallIds::PrefixOf({.job_seq = 7, .position = 12, .attempt = 0}));
    EXPECT_EQ((id >> 12) & 15, static_cast<uint64_t>(attempt));
    all.insert(id);
  }
  EXPECT_EQ(all.size(), 15u);
}

TEST(CallIdsTest, NoTwoExecutionsShareThem) {
  std::set<uint64_t> prefixes;
  for (int64_t job = 1; job <= 200; ++job) {
    for (int64_t position = 0; position < 500; ++position) {
      EXPECT_TRUE(prefixes.insert(CallIds::PrefixOf({job, position * 199'999, 0})).second) << job << " " << position;
    }
  }
}

TEST(CallIdsTest, NeitherDoThoseOfTheNextDay) {
  std::set<uint64_t> prefixes;
  for (int64_t day = 20'000; day < 20'002; ++day) {
    for (int64_t job = 1; job <= 1'000; ++job) {
      EXPECT_TRUE(prefixes.insert(CallIds::PrefixOf({(day << 32) + job, 7, 0})).second) << day << " " << job;
    }
  }
}

TEST(CallIdsTest, IssuedAgainTheIdIsAnother) {
  CallIds ids(99);
  const ExecutionKey key{7, 12, 1};
  std::set<CallId> all;
  for (int i = 0; i < 4'096; ++i) all.insert(ids.Next(key));
  EXPECT_EQ(all.size(), 4'096u);
}

TEST(CallIdsTest, DirectCallsAreNeverTakenForThoseOfJobs) {
  CallIds ids(CallIds::PrefixOf({7, 12, 0}));
  const CallId direct = ids.NextDirect();
  for (int i = 0; i < 5'000; ++i) EXPECT_NE(ids.Next({7, 12, CallIds::kAttemptMax}), direct);
  EXPECT_NE(ids.NextDirect(), direct);
}

}  // namespace
}  // namespace fleetcast::method_dispatch
