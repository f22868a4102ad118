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

void Add(OutcomeCollector& collector, std::vector<job_store::Outcome> outcomes, int peer, absl::Duration now) {
  const std::vector<CallSource> sources(outcomes.size(), CallSource{peer, 0});
  collector.Add(std::move(outcomes), sources, now);
}

absl::Duration Ms(int64_t ms) { return absl::Milliseconds(ms); }

TEST(OutcomeCollectorTest, GathersForAMoment) {
  OutcomeCollector collector({});
  Add(collector, Outcomes(3), 0, Ms(0));
  EXPECT_TRUE(collector.Take(Ms(19)).outcomes.empty());
  EXPECT_EQ(collector.next_take(), Ms(20));
  const OutcomeBatch batch = collector.Take(Ms(20));
  EXPECT_EQ(batch.outcomes.size(), 3u);
  EXPECT_EQ(batch.sources, std::vector<CallSource>(3, CallSource{0, 0}));
  EXPECT_FALSE(collector.idle());
  collector.Recorded();
  EXPECT_TRUE(collector.idle());
}

TEST(OutcomeCollectorTest, AFullBatchOrHurryDoesNotWait) {
  OutcomeCollector collector({});
  Add(collector, Outcomes(500), 0, Ms(0));
  EXPECT_EQ(collector.Take(Ms(0)).outcomes.size(), 500u);
  Add(collector, Outcomes(1), 0, Ms(0));
  collector.Hurry();
  EXPECT_EQ(collector.Take(Ms(0)).outcomes.size(), 1u);
}

TEST(OutcomeCollectorTest, BatchesGrowWhileTransactionsAreUnderWay) {
  OutcomeCollector collector({});
  for (int i = 0; i < 2; ++i) {
    Add(collector, Outcomes(500), 0, Ms(0));
    EXPECT_FALSE(collector.Take(Ms(0)).outcomes.empty());
  }
  Add(collector, Outcomes(3000), 0, Ms(0));
  EXPECT_TRUE(collector.Take(Ms(100)).outcomes.empty());
  EXPECT_EQ(collector.next_take(), absl::InfiniteDuration());
  collector.Recorded();
  EXPECT_EQ(collector.Take(Ms(100)).outcomes.size(), 2000u);
}

TEST(OutcomeCollectorTest, BoundsTheBytesOfABatch) {
  OutcomeCollectorOptions options;
  options.batch_bytes_max = 1000;
  OutcomeCollector collector(options);
  Add(collector, Outcomes(3, 600), 0, Ms(0));
  collector.Hurry();
  EXPECT_EQ(collector.Take(Ms(0)).outcomes.size(), 1u);
}

TEST(OutcomeCollectorTest, AFailedBatchComesFirstAfterAPause) {
  OutcomeCollector collector({});
  Add(collector, Outcomes(2), 1, Ms(0));
  OutcomeBatch batch = collector.Take(Ms(20));
  Add(collector, Outcomes(1), 2, Ms(20));
  collector.Failed(std::move(batch), Ms(30));
  EXPECT_TRUE(collector.Take(Ms(100)).outcomes.empty());
  const OutcomeBatch again = collector.Take(Ms(230));
  ASSERT_EQ(again.outcomes.size(), 3u);
  EXPECT_EQ(again.sources, std::vector<CallSource>({{1, 0}, {1, 0}, {2, 0}}));
  EXPECT_EQ(again.outcomes[1].position, 1);
}

TEST(OutcomeCollectorTest, SaysWhenNothingNewShouldBeIssued) {
  OutcomeCollectorOptions options;
  options.backlog_max = 10;
  OutcomeCollector collector(options);
  Add(collector, Outcomes(9), 0, Ms(0));
  EXPECT_FALSE(collector.is_full());
  Add(collector, Outcomes(1), 0, Ms(0));
  EXPECT_TRUE(collector.is_full());
}

}  // namespace
}  // namespace fleetcast::scheduler
