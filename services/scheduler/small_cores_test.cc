// Lease trust, lanes, the waiting table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/scheduler/device_names.h"
#include "services/scheduler/lane.h"
#include "services/scheduler/lease_trust.h"
#include "services/scheduler/waiting_table.h"

namespace fleetcast::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

absl::Duration S(double seconds) { return absl::Seconds(seconds); }

TEST(LeaseTrustTest, EndsBeforeTheDatabaseLetsGo) {
  LeaseTrust trust(LeaseTerms{}, S(100));
  EXPECT_TRUE(trust.IsTrusted(S(107.9)));
  EXPECT_FALSE(trust.IsTrusted(S(108)));
}

TEST(LeaseTrustTest, CountsFromWhenTheRenewalWasSent) {
  LeaseTrust trust(LeaseTerms{}, S(100));
  EXPECT_FALSE(trust.RenewalIsDue(S(102.9)));
  EXPECT_TRUE(trust.RenewalIsDue(S(103)));
  trust.BeginRenewal();
  EXPECT_FALSE(trust.RenewalIsDue(S(104)));
  trust.Renewed(S(103));
  EXPECT_TRUE(trust.IsTrusted(S(110.9)));
  EXPECT_FALSE(trust.IsTrusted(S(111)));
  EXPECT_TRUE(trust.RenewalIsDue(S(106)));
}

TEST(LeaseTrustTest, AFailedRenewalIsRepeatedAndExtendsNothing) {
  LeaseTrust trust(LeaseTerms{}, S(100));
  trust.BeginRenewal();
  trust.RenewalFailed(S(104));
  EXPECT_FALSE(trust.RenewalIsDue(S(103.9)));
  EXPECT_TRUE(trust.RenewalIsDue(S(104)));
  EXPECT_FALSE(trust.IsTrusted(S(108)));
}

TEST(LaneTest, ChoosesThePeerWithTheMostRoom) {
  Lane lane(2);
  EXPECT_FALSE(lane.Roomiest().has_value());
  lane.Up(0, {}, 100);
  lane.Up(1, {}, 200);
  EXPECT_EQ(lane.free(), 300);
  EXPECT_EQ(lane.Roomiest()->peer, 1);
  lane.Took(1, 150);
  EXPECT_EQ(lane.Roomiest()->peer, 0);
}

TEST(LaneTest, ADestinationIsVoidAfterItsStreamBroke) {
  Lane lane(1);
  lane.Up(0, {}, 100);
  const Destination to = *lane.Roomiest();
  lane.Took(0, 10);
  lane.Down(0);
  EXPECT_FALSE(lane.Stands(to));
  lane.Up(0, {}, 100);
  EXPECT_FALSE(lane.Stands(to));
  lane.Took(0, 5);
  lane.Released(to, 10);  // Counted on the stream that is gone.
  EXPECT_EQ(lane.peer(0).in_flight, 5);
}

TEST(LaneTest, ASecondHelloKeepsWhatIsInFlight) {
  Lane lane(1);
  lane.Up(0, absl::UnixEpoch(), 100);
  const Destination to = *lane.Roomiest();
  lane.Took(0, 10);
  lane.Up(0, absl::UnixEpoch() + S(1), 0);
  EXPECT_TRUE(lane.Stands(to));
  EXPECT_EQ(lane.peer(0).free(), 90);
}

TEST(WaitingTableTest, KnowsAllTargetsOfADevice) {
  WaitingTable table;
  table.Add("d1", {1, 5});
  table.Add("d1", {2, 6});
  table.Add("d1", {2, 6});
  table.Add("d1", {3, 999});
  EXPECT_EQ(table.size(), 1u);
  EXPECT_THAT(table.Find("d1"), UnorderedElementsAre(WaitingTarget{1, 5}, WaitingTarget{2, 6}, WaitingTarget{3, 999}));
  EXPECT_FALSE(table.Remove("d1", {1, 5}));
  EXPECT_FALSE(table.Remove("d1", {1, 5}));
  EXPECT_FALSE(table.Remove("d1", {3, 999}));
  EXPECT_THAT(table.Find("d1"), ElementsAre(WaitingTarget{2, 6}));
  EXPECT_TRUE(table.Remove("d1", {2, 6}));
  EXPECT_FALSE(table.Remove("d1", {2, 6}));
  EXPECT_EQ(table.size(), 0u);
}

TEST(WaitingTableTest, TakesADeviceWithAllItsTargets) {
  WaitingTable table;
  table.Add("d1", {1, 5});
  table.Add("d1", {2, 6});
  table.Add("d2", {1, 6});
  EXPECT_EQ(table.Take("d1").size(), 2u);
  EXPECT_THAT(table.Take("d1"), IsEmpty());
  EXPECT_THAT(table.Take("d2"), ElementsAre(WaitingTarget{1, 6}));
}

TEST(DeviceNamesTest, GivesTheNamesBack) {
  const DeviceNames names({"a", "", "device-3"});
  EXPECT_EQ(names.size(), 3);
  EXPECT_EQ(names[0], "a");
  EXPECT_EQ(names[1], "");
  EXPECT_EQ(names[2], "device-3");
}

}  // namespace
}  // namespace fleetcast::scheduler
