// Stored sessions that are over some time after their connection (MQTT 5, Session Expiry Interval; MQTT-4.1.0-2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/wait_for.h"
#include "services/device_connection/testing/hub_fixture.h"

namespace fleetcast::device_connection {
namespace {

using fleetcast::testing::WaitFor;
using testing::PlayedEdge;
namespace pb = ::fleetcast::internal::v1;
using Result = pb::OpenSessionResult;

class HubExpiryTest : public testing::HubFixture {
 protected:
  static constexpr char kDevice[] = "dev-1";

  HubExpiryTest() : edge_(NewEdge()) {}

  // A connect of a device whose session is to be kept for so long; 0 = for ever, as in 3.1.1.
  Result Open(uint64_t session, uint32_t expiry_seconds, bool is_clean = false) {
    pb::OpenSession open;
    open.set_session(session);
    open.set_password(Token(kDevice));
    open.set_clean_session(is_clean);
    open.set_session_expiry_seconds(expiry_seconds);
    const Result result = edge_->Open(open, kDevice);
    EXPECT_EQ(result.code(), Result::CODE_ACCEPTED);
    return result;
  }
  void Subscribe(uint64_t session, int64_t epoch, uint32_t expiry_seconds) {
    pb::AttachRequest request;
    pb::SubscriptionChange* change = request.add_subscription_changes();
    change->set_session(session);
    change->set_device_id(kDevice);
    change->set_epoch(epoch);
    change->set_subscriptions(kMethods);
    change->set_durable(true);
    change->set_session_expiry_seconds(expiry_seconds);
    edge_->stream().Write(request);
    EXPECT_TRUE(WaitFor([&] { return twin_.Record(kDevice)->has_session(); }));
  }
  // A device that has subscribed, and left.
  int64_t Leave(uint64_t session, uint32_t expiry_seconds) {
    const Result opened = Open(session, expiry_seconds);
    Subscribe(session, opened.epoch(), expiry_seconds);
    edge_->Close(session, kDevice, opened.epoch());
    EXPECT_TRUE(AwaitPresence(kDevice, false));
    return opened.epoch();
  }
  // A device that asked for an hour, has subscribed, and says another time as it leaves.
  void SubscribeAndLeaveFor(uint32_t expiry_seconds) {
    const Result opened = Open(1, 3600);
    Subscribe(1, opened.epoch(), 3600);
    pb::AttachRequest request;
    pb::SessionClosed* closed = request.add_sessions_closed();
    closed->set_session(1);
    closed->set_device_id(kDevice);
    closed->set_epoch(opened.epoch());
    closed->set_session_expiry_seconds(expiry_seconds);
    edge_->stream().Write(request);
  }
  // What the registry makes of the presence of the session with `epoch`.
  void NoteEnd(int64_t epoch, absl::Duration from_now) {
    twin_.Change(kDevice, [&](pb::DeviceRecord& record) {
      record.set_session_end_unix_seconds(absl::ToUnixSeconds(absl::Now() + from_now));
      record.set_presence_epoch(epoch);
    });
  }

  std::unique_ptr<PlayedEdge> edge_;
};

TEST_F(HubExpiryTest, ASessionWhoseTimeIsNotOverIsResumed) {
  NoteEnd(Leave(1, 3600), absl::Hours(1));
  EXPECT_EQ(twin_.Record(kDevice)->session_expiry_seconds(), 3600u);
  const Result back = Open(2, 3600);
  EXPECT_TRUE(back.session_present());
  EXPECT_EQ(back.subscriptions(), kMethods);
}

TEST_F(HubExpiryTest, Mqtt5_4_1_0_2ASessionWhoseTimeIsOverIsGone) {
  NoteEnd(Leave(1, 60), -absl::Seconds(1));
  const Result back = Open(2, 60);
  EXPECT_FALSE(back.session_present());
  EXPECT_EQ(back.subscriptions(), 0u);
  // For good: it does not come again with the next connection.
  EXPECT_FALSE(twin_.Record(kDevice)->has_session());
  edge_->Close(2, kDevice, back.epoch());
  EXPECT_FALSE(Open(3, 0).session_present());
}

TEST_F(HubExpiryTest, ItIsAlsoGoneWhereTheDirectoryKnowsNothing) {
  NoteEnd(Leave(1, 60), -absl::Seconds(1));
  FlushRedis();
  EXPECT_FALSE(Open(2, 60).session_present());
}

TEST_F(HubExpiryTest, AnEndThatIsNotNotedYetWasJustNow) {
  const int64_t first = Leave(1, 60);
  const Result second = Open(2, 60);
  edge_->Close(2, kDevice, second.epoch());
  NoteEnd(first, -absl::Seconds(1));  // That of the first one still, long ago.
  EXPECT_TRUE(Open(3, 60).session_present());
}

TEST_F(HubExpiryTest, DSes2ADeviceOf311KeepsWhatIsStoredForEver) {
  NoteEnd(Leave(1, 60), absl::Hours(1));
  EXPECT_TRUE(Open(2, 0).session_present());
  EXPECT_EQ(twin_.Record(kDevice)->session_expiry_seconds(), 0u);
  EXPECT_EQ(twin_.Record(kDevice)->subscriptions(), kMethods);
}

TEST_F(HubExpiryTest, ADeviceOfLevel5LimitsWhatWasStoredForEver) {
  Leave(1, 0);
  EXPECT_TRUE(Open(2, 60).session_present());
  EXPECT_EQ(twin_.Record(kDevice)->session_expiry_seconds(), 60u);
  EXPECT_EQ(twin_.Record(kDevice)->subscriptions(), kMethods);
}

TEST_F(HubExpiryTest, AtTheEndTheDeviceMaySayAnotherTime) {
  SubscribeAndLeaveFor(5);
  ASSERT_TRUE(WaitFor([&] { return twin_.Record(kDevice)->session_expiry_seconds() == 5; }));
  EXPECT_EQ(twin_.Record(kDevice)->subscriptions(), kMethods);
}

TEST_F(HubExpiryTest, AtTheEndTheDeviceMayEndItsSession) {
  SubscribeAndLeaveFor(0);
  ASSERT_TRUE(WaitFor([&] { return !twin_.Record(kDevice)->has_session(); }));
  EXPECT_FALSE(Open(2, 3600).session_present());
}

TEST_F(HubExpiryTest, CleanStartEndsIt) {
  NoteEnd(Leave(1, 3600), absl::Hours(1));
  EXPECT_FALSE(Open(2, 3600, /*is_clean=*/true).session_present());
  EXPECT_FALSE(twin_.Record(kDevice)->has_session());
}

}  // namespace
}  // namespace fleetcast::device_connection
