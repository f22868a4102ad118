// For how long a session is kept after its connection, as the device says it (MQTT 5, 3.1.2.11.2, 3.14.2.2.2).
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using ::testing::ElementsAre;

class SessionExpiryTest : public ::testing::Test {
 protected:
  // Connected, with one filter, whose set is stored.
  void Connect(std::optional<uint32_t> expiry) {
    mqtt::Connect connect = Harness::Connect5();
    connect.properties.session_expiry_seconds = expiry;
    harness_.ConnectWith5(connect, 0, false);
    harness_.Send(mqtt::Subscribe{1, {{mqtt::kMethodsFilter, 0}}});
    harness_.SubscriptionsSaved(kMethodsBit);
  }
  void Disconnect(std::optional<uint32_t> expiry) {
    harness_.Send(mqtt::Disconnect{mqtt::ReasonCode::kSuccess, {.session_expiry_seconds = expiry}});
    EXPECT_EQ(harness_.close_reason(), CloseReason::kDisconnect);
  }
  uint32_t opened() { return harness_.hub().opens[0].session_expiry_seconds; }
  uint32_t stored() { return harness_.hub().changes[0].session_expiry_seconds; }

  Harness harness_;
};

TEST_F(SessionExpiryTest, IsToldWithTheConnectAndWithWhatIsStored) {
  Connect(3600);
  EXPECT_EQ(opened(), 3600u);
  EXPECT_EQ(stored(), 3600u);
}

TEST_F(SessionExpiryTest, IsToldAsGranted) {
  Connect(UINT32_MAX);
  EXPECT_EQ(opened(), 604'800u);
  EXPECT_EQ(stored(), 604'800u);
}

TEST_F(SessionExpiryTest, DSes2SessionsOf311HaveNone) {
  harness_.ConnectWith(0);
  harness_.Send(mqtt::Subscribe{1, {{mqtt::kMethodsFilter, 0}}});
  EXPECT_EQ(opened(), 0u);
  EXPECT_TRUE(harness_.hub().changes[0].durable);
  EXPECT_EQ(stored(), 0u);
}

TEST_F(SessionExpiryTest, ADisconnectMayChangeIt) {
  Connect(3600);
  Disconnect(60);
  EXPECT_THAT(harness_.hub().last_expiries, ElementsAre(60u));
}

TEST_F(SessionExpiryTest, ADisconnectMayEndIt) {
  Connect(3600);
  Disconnect(0);
  EXPECT_THAT(harness_.hub().last_expiries, ElementsAre(0u));
}

TEST_F(SessionExpiryTest, ADisconnectThatSaysNothingChangesNothing) {
  Connect(604'800);
  Disconnect(std::nullopt);
  EXPECT_THAT(harness_.hub().last_expiries, ElementsAre(std::nullopt));
}

TEST_F(SessionExpiryTest, ADisconnectThatSaysTheSameAsWasGrantedChangesNothing) {
  Connect(604'800);
  Disconnect(UINT32_MAX);
  EXPECT_THAT(harness_.hub().last_expiries, ElementsAre(std::nullopt));
}

TEST_F(SessionExpiryTest, AConnectionThatIsLostChangesNothing) {
  Connect(3600);
  harness_.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  EXPECT_THAT(harness_.hub().last_expiries, ElementsAre(std::nullopt));
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
