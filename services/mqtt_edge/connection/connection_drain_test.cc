// How a connection leaves when its edge goes down (D-ST-1): as soon as nothing is under way on it.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using Kind = CallReport::Kind;

class LeavingTest : public ::testing::Test {
 protected:
  void Leave() {
    harness_.In([](Connection& connection, Turn& turn) { connection.Leave(turn); });
  }
  void Answer(int qos = 0) { harness_.Publish("$iothub/methods/res/200/?$rid=1", "{}", qos); }

  Harness harness_;
};

TEST_F(LeavingTest, OneWithNothingUnderWayGoesAtOnce) {
  harness_.ConnectWith(kMethodsBit);
  Leave();
  EXPECT_EQ(harness_.close_reason(), CloseReason::kDraining);
  EXPECT_EQ(harness_.TakeOutput(), "");  // 3.1.1 has no word for it.
  EXPECT_THAT(harness_.hub().closed_epochs, ::testing::ElementsAre(7));
}

TEST_F(LeavingTest, AtLevel5TheDeviceHearsThatTheServerShutsDown) {
  harness_.ConnectWith5(Harness::Connect5());
  Leave();
  EXPECT_EQ(harness_.Take5<mqtt::Disconnect>().reason, mqtt::ReasonCode::kServerShuttingDown);
}

TEST_F(LeavingTest, OneWithACallUnderWayGoesWithItsAnswer) {
  harness_.ConnectWith(kMethodsBit);
  harness_.Call(harness_.NewCall(1));
  Leave();
  EXPECT_TRUE(harness_.is_open());
  harness_.hub().reports.clear();
  Answer();
  ASSERT_EQ(harness_.hub().reports.size(), 1u);
  EXPECT_EQ(harness_.hub().reports[0].kind, Kind::kAnswer);
  EXPECT_EQ(harness_.close_reason(), CloseReason::kDraining);
}

TEST_F(LeavingTest, M5AnAnswerAtQos1IsAcknowledgedBefore) {
  harness_.ConnectWith(kMethodsBit);
  harness_.Call(harness_.NewCall(1));
  harness_.TakeOutput();
  Leave();
  Answer(1);
  EXPECT_TRUE(harness_.is_open());
  harness_.In([](Connection& connection, Turn& turn) { connection.OnAnswerTaken(1, turn); });
  EXPECT_EQ(harness_.TakeOutput(), BytesOf(mqtt::Puback{10}));
  EXPECT_EQ(harness_.close_reason(), CloseReason::kDraining);
}

TEST_F(LeavingTest, CallsThatComeMeanwhileAreWrittenAndWaitedForToo) {
  harness_.ConnectWith(kMethodsBit);
  harness_.Call(harness_.NewCall(1));
  Leave();
  harness_.TakeOutput();
  harness_.Call(harness_.NewCall(2));
  EXPECT_EQ(harness_.TakeOutput(), MethodRequest("lockDoor", 2, "{}"));
  Answer();
  EXPECT_TRUE(harness_.is_open());
  harness_.Publish("$iothub/methods/res/200/?$rid=2", "{}");
  EXPECT_FALSE(harness_.is_open());
}

TEST_F(LeavingTest, ATwinIsReadBefore) {
  harness_.ConnectWith(kTwinResponsesBit);
  harness_.Publish("$iothub/twin/GET/?$rid=a", "");
  Leave();
  EXPECT_TRUE(harness_.is_open());
  harness_.TwinRead("a", 200, "{}", 1);
  EXPECT_EQ(harness_.TakeOutput(), TwinResponse(200, "a", std::nullopt, "{}"));
  EXPECT_FALSE(harness_.is_open());
}

TEST_F(LeavingTest, ASubscribeIsAcknowledgedBefore) {
  harness_.ConnectWith(0);
  harness_.Send(mqtt::Subscribe{1, {{mqtt::kMethodsFilter, 0}}});
  Leave();
  EXPECT_TRUE(harness_.is_open());
  harness_.SubscriptionsSaved(kMethodsBit);
  EXPECT_EQ(harness_.TakeOutput(), "\x90\x03\0\x01\0"s);
  EXPECT_FALSE(harness_.is_open());
}

TEST_F(LeavingTest, DCa1WhoIsBeingCheckedMayTryAgain) {
  harness_.Send(Harness::NodeConnect());
  Leave();
  EXPECT_EQ(harness_.TakeOutput(), "\x20\x02\0\x03"s);
  EXPECT_FALSE(harness_.is_open());
  EXPECT_EQ(harness_.hub().abandoned.size(), 1u);
}

TEST_F(LeavingTest, WhoHasSaidNothingYetIsClosed) {
  Leave();
  EXPECT_EQ(harness_.TakeOutput(), "");
  EXPECT_EQ(harness_.close_reason(), CloseReason::kDraining);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
