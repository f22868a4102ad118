#include "services/device_connection/lease_gaps.h"

#include <gtest/gtest.h>

namespace fleetcast::device_connection {
namespace {

constexpr absl::Duration kLease = absl::Seconds(10);

TEST(LeaseGapsTest, LeasesThatAreRenewedInTimeHold) {
  LeaseGaps gaps(kLease);
  EXPECT_FALSE(gaps.OnRenewed({{"a", "1"}}, absl::Seconds(1)));
  EXPECT_FALSE(gaps.OnRenewed({{"a", "1"}, {"b", "1"}}, absl::Seconds(10)));
  gaps.OnFailed({{"a", "1"}, {"b", "1"}}, absl::Seconds(15));
  EXPECT_FALSE(gaps.OnRenewed({{"a", "1"}, {"b", "1"}}, absl::Seconds(19)));
}

TEST(LeaseGapsTest, ALeaseThatRanOutIsAGapOnce) {
  LeaseGaps gaps(kLease);
  gaps.OnRenewed({{"a", "1"}}, absl::Seconds(1));
  EXPECT_TRUE(gaps.OnRenewed({{"a", "1"}}, absl::Seconds(11)));
  EXPECT_FALSE(gaps.OnRenewed({{"a", "1"}}, absl::Seconds(12)));
}

TEST(LeaseGapsTest, AFirstLeaseThatCouldNotBeTakenIsAGap) {
  LeaseGaps gaps(kLease);
  gaps.OnFailed({{"a", "1"}}, absl::Seconds(1));
  EXPECT_TRUE(gaps.OnRenewed({{"a", "1"}}, absl::Seconds(2)));
}

TEST(LeaseGapsTest, AnotherLifeOfAnEdgeBeginsAnew) {
  LeaseGaps gaps(kLease);
  gaps.OnRenewed({{"a", "1"}}, absl::Seconds(1));
  EXPECT_FALSE(gaps.OnRenewed({{"a", "2"}}, absl::Seconds(60)));
  gaps.OnFailed({{"a", "3"}}, absl::Seconds(60));
  EXPECT_TRUE(gaps.OnRenewed({{"a", "3"}}, absl::Seconds(61)));
}

TEST(LeaseGapsTest, AnEdgeThatWasSilentMeanwhileHadAGapUntilItIsForgotten) {
  LeaseGaps gaps(kLease);
  gaps.OnRenewed({{"a", "1"}, {"b", "1"}}, absl::Seconds(1));
  gaps.OnRenewed({}, absl::Seconds(5));
  EXPECT_TRUE(gaps.OnRenewed({{"a", "1"}}, absl::Seconds(60)));
  gaps.OnRenewed({}, absl::Minutes(11));
  EXPECT_FALSE(gaps.OnRenewed({{"b", "1"}}, absl::Minutes(12)));
}

}  // namespace
}  // namespace fleetcast::device_connection
