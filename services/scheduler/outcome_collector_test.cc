#include "services/scheduler/outcome_collector.h"

#include <gtest/gtest.h>

namespace fleetcast::scheduler {
namespace {

std::vector<job_store::Outcome> Outcomes(int count, size_t payload_bytes = 0) {
  std::vector<job_store::Outcome> outcomes(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    outcomes[static_cast<size_t>(i)].position = i;
    outcomes[static_cast<size_t>(i)].payload = std::string(payload_bytes, 'x');
  }
  return outcomes;
}

absl::Duration Ms(int64_t ms) { return absl::Milliseconds(ms); }

TEST(OutcomeCollectorTest, GathersForAMoment) {
  OutcomeCollector collector({});
  collector.Add(Outcomes(3), 0, Ms(0));
  EXPECT_TRUE(collector.Take(Ms(19)).outcomes.empty());
  EXPECT_EQ(collector.next_take(), Ms(20));
  const OutcomeBatch batch = collector.Take(Ms(20));
  EXPECT_EQ(batch.outcomes.size(), 3u);
  EXPECT_EQ(batch.peers, std::vector<int>({0, 0, 0}));
  EXPECT_FALSE(collector.idle());
  collector.Recorded();
  EXPECT_TRUE(collector.idle());
}

TEST(OutcomeCollectorTest, AFullBatchOrHurryDoesNotWait) {
  OutcomeCollector collector({});
  collector.Add(Outcomes(500), 0, Ms(0));
  EXPECT_EQ(collector.Take(Ms(0)).outcomes.size(), 500u);
  collector.Add(Outcomes(1), 0, Ms(0));
  collector.Hurry();
  EXPECT_EQ(collector.Take(Ms(0)).outcomes.size(), 1u);
}

TEST(OutcomeCollectorTest, BatchesGrowWhileTransactionsAreUnderWay) {
  OutcomeCollector collector({});
  for (int i = 0; i < 2; ++i) {
    collector.Add(Outcomes(500), 0, Ms(0));
    EXPECT_FALSE(collector.Take(Ms(0)).outcomes.empty());
  }
  collector.Add(Outcomes(3000), 0, Ms(0));
  EXPECT_TRUE(collector.Take(Ms(100)).outcomes.empty());
  EXPECT_EQ(collector.next_take(), absl::InfiniteDuration());
  collector.Recorded();
  EXPECT_EQ(collector.Take(Ms(100)).outcomes.size(), 2000u);
}

TEST(OutcomeCollectorTest, BoundsTheBytesOfABatch) {
  OutcomeCollectorOptions options;
  options.batch_bytes_max = 1000;
  OutcomeCollector collector(options);
  collector.Add(Outcomes(3, 600), 0, Ms(0));
  collector.Hurry();
  EXPECT_EQ(collector.Take(Ms(0)).outcomes.size(), 1u);
}

TEST(OutcomeCollectorTest, AFailedBatchComesFirstAfterAPause) {
  OutcomeCollector collector({});
  collector.Add(Outcomes(2), 1, Ms(0));
  OutcomeBatch batch = collector.Take(Ms(20));
  collector.Add(Outcomes(1), 2, Ms(20));
  collector.Failed(std::move(batch), Ms(30));
  EXPECT_TRUE(collector.Take(Ms(100)).outcomes.empty());
  const OutcomeBatch again = collector.Take(Ms(230));
  ASSERT_EQ(again.outcomes.size(), 3u);
  EXPECT_EQ(again.peers, std::vector<int>({1, 1, 2}));
  EXPECT_EQ(again.outcomes[1].position, 1);
}

TEST(OutcomeCollectorTest, SaysWhenNothingNewShouldBeIssued) {
  OutcomeCollectorOptions options;
  options.backlog_max = 10;
  OutcomeCollector collector(options);
  collector.Add(Outcomes(9), 0, Ms(0));
  EXPECT_FALSE(collector.is_full());
  collector.Add(Outcomes(1), 0, Ms(0));
  EXPECT_TRUE(collector.is_full());
}

}  // namespace
}  // namespace fleetcast::scheduler
