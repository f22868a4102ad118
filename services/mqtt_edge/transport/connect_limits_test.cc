#include "services/mqtt_edge/transport/connect_limits.h"

#include "gtest/gtest.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr absl::Duration kConnectedAt = absl::Hours(5);
constexpr ConnectAdmission::Limits kLimits = {{10, 2}, absl::Seconds(1)};  // Two at once, then one in 100 ms.

TEST(SourceTest, AnIpv4AddressIsOneSource) {
  PeerAddress one = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};
  PeerAddress other = one;
  other[15] = 4;
  EXPECT_NE(SourceOf(one), SourceOf(other));
}

TEST(SourceTest, HalfAnIpv6AddressIsOneSource) {
  const PeerAddress one = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8};
  PeerAddress neighbour = one;
  neighbour[8] = 9;
  PeerAddress other = one;
  other[7] = 2;
  EXPECT_EQ(SourceOf(one), SourceOf(neighbour));
  EXPECT_NE(SourceOf(one), SourceOf(other));
}

TEST(ConnectAdmissionTest, TheBurstIsReadAtOnceTheOthersInTheirTurn) {
  ConnectAdmission admission(kLimits);
  for (const int milliseconds : {0, 0, 100, 200, 300}) {
    const ConnectAdmission::Verdict verdict = admission.Decide(kConnectedAt, 0.5);
    EXPECT_TRUE(verdict.is_admitted);
    EXPECT_EQ(verdict.wait, absl::Milliseconds(milliseconds));
  }
}

TEST(ConnectAdmissionTest, WhoWouldWaitTooLongIsRefusedAfterAWhile) {
  ConnectAdmission admission(kLimits);
  for (int i = 0; i < 12; ++i) EXPECT_TRUE(admission.Decide(kConnectedAt, 0).is_admitted);
  const ConnectAdmission::Verdict early = admission.Decide(kConnectedAt, 0);
  EXPECT_FALSE(early.is_admitted);
  EXPECT_EQ(early.wait, absl::Milliseconds(500));
  const ConnectAdmission::Verdict late = admission.Decide(kConnectedAt, 0.999);
  EXPECT_FALSE(late.is_admitted);
  EXPECT_GT(late.wait, absl::Milliseconds(999));
  // Who was refused took nobody's turn.
  EXPECT_EQ(admission.Decide(kConnectedAt + absl::Milliseconds(100), 0).wait, absl::Seconds(1));
}

TEST(ConnectAdmissionTest, GoodputStaysTheRateHoweverManyCome) {
  ConnectAdmission admission(kLimits);
  int admitted = 0;
  for (absl::Duration at; at < absl::Minutes(1); at += absl::Milliseconds(5)) {
    admitted += admission.Decide(kConnectedAt + at, 0.5).is_admitted;
  }
  EXPECT_GE(admitted, 600);
  EXPECT_LE(admitted, 600 + 12);
}

TEST(ConnectAdmissionTest, AcceptingStopsBeforeAnybodyIsRefused) {
  ConnectAdmission admission(kLimits);
  for (int i = 0; i < 8; ++i) admission.Decide(kConnectedAt, 0.5);
  EXPECT_EQ(admission.UntilAccepting(kConnectedAt), absl::ZeroDuration());
  admission.Decide(kConnectedAt, 0.5);
  admission.Decide(kConnectedAt, 0.5);
  EXPECT_EQ(admission.UntilAccepting(kConnectedAt), absl::Milliseconds(200));
  EXPECT_EQ(admission.UntilAccepting(kConnectedAt + absl::Milliseconds(200)), absl::ZeroDuration());
}

TEST(ConnectAdmissionTest, RateOfZeroIsNoLimit) {
  ConnectAdmission admission({{0, 1}, absl::Seconds(1)});
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(admission.Decide(kConnectedAt, 0.5).wait, absl::ZeroDuration());
  EXPECT_EQ(admission.UntilAccepting(kConnectedAt), absl::ZeroDuration());
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
