#include "tools/fleetcast/drain_progress.h"

#include "gtest/gtest.h"

namespace fleetcast::cli {
namespace {

using State = EdgeReport::State;
using Verdict = DrainProgress::Verdict;

constexpr absl::Duration kStart = absl::Seconds(100);

TEST(DrainProgressTest, CountsWhatHasGoneUntilTheEdgeIsEmpty) {
  DrainProgress progress(kStart);
  EXPECT_EQ(progress.Update(EdgeReport{State::kServing, 90}, kStart), Verdict::kGoesOn);
  EXPECT_EQ(progress.Update(EdgeReport{State::kDraining, 100}, kStart + absl::Seconds(1)), Verdict::kGoesOn);
  EXPECT_EQ(progress.Update(EdgeReport{State::kDraining, 40}, kStart + absl::Hours(1)), Verdict::kGoesOn);
  EXPECT_EQ(progress.counts().total, 100);
  EXPECT_EQ(progress.counts().done, 60);
  EXPECT_EQ(progress.Update(EdgeReport{State::kDrained, 0}, kStart + absl::Hours(2)), Verdict::kEmpty);
  EXPECT_EQ(progress.counts().done, 100);
}

TEST(DrainProgressTest, AnEdgeThatDoesNotBeginIsToldApartFromOneThatWasStartedAnew) {
  DrainProgress silent(kStart);
  EXPECT_EQ(silent.Update(EdgeReport{State::kServing, 5}, kStart + absl::Seconds(9)), Verdict::kGoesOn);
  EXPECT_EQ(silent.Update(EdgeReport{State::kServing, 5}, kStart + absl::Seconds(10)), Verdict::kSilent);
  DrainProgress restarted(kStart);
  restarted.Update(EdgeReport{State::kDraining, 5}, kStart);
  EXPECT_EQ(restarted.Update(EdgeReport{State::kServing, 0}, kStart + absl::Seconds(1)), Verdict::kRestarted);
}

TEST(DrainProgressTest, AnEdgeThatWasEndedIsGone) {
  DrainProgress progress(kStart);
  progress.Update(EdgeReport{State::kDraining, 5}, kStart);
  EXPECT_EQ(progress.Update(std::nullopt, kStart + absl::Seconds(1)), Verdict::kGone);
}

}  // namespace
}  // namespace fleetcast::cli
