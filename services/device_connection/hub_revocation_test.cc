// Sessions that may not stay: disabled, deleted, opened with a key that is no more (reliability S7).
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "libs/testing/wait_for.h"
#include "services/device_connection/hub.h"
#include "services/device_connection/testing/hub_fixture.h"

namespace fleetcast::device_connection {
namespace {

using fleetcast::testing::WaitFor;
using testing::PlayedEdge;
namespace pb = ::fleetcast::internal::v1;
using Result = pb::OpenSessionResult;

class HubRevocationTest : public testing::HubFixture {
 protected:
  HubRevocationTest() {
    twin_.Change("dev-1", [this](pb::DeviceRecord& record) { record.set_secondary_key(second_key_.ToBase64()); });
  }

  void SetPrimaryKey(const std::string& device_id, const auth::Key& key) {
    twin_.Change(device_id, [&](pb::DeviceRecord& record) { record.set_primary_key(key.ToBase64()); });
  }

  // After this the change of dev-1 that was published before has been looked into: dev-2 is, and is told to go.
  void AwaitChecks(PlayedEdge& edge) {
    const Result other = OpenAccepted(edge, 99, "dev-2");
    SetPrimaryKey("dev-2", auth::Key::Generate());
    PublishRecord("dev-2");
    EXPECT_TRUE(edge.AwaitDisconnect(99, other.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE));
  }

  bool WasToldToGo(PlayedEdge& edge, uint64_t session, int64_t epoch) {
    return edge.AwaitDisconnect(session, epoch, pb::DisconnectSession::REASON_ADMINISTRATIVE, absl::ZeroDuration());
  }

  std::optional<pb::SessionCheck> AwaitCheck(PlayedEdge& edge, bool announce) {
    return edge.stream().Await<pb::SessionCheck>(
        [&](const pb::AttachResponse& response) -> std::optional<pb::SessionCheck> {
          for (const pb::SessionCheck& check : response.session_checks()) {
            if (check.announce() == announce) return check;
          }
          return std::nullopt;
        });
  }

  const auth::Key second_key_ = auth::Key::Generate();
};

TEST_F(HubRevocationTest, ASessionEndsWithTheKeyThatOpenedIt) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  EXPECT_NE(opened.credential(), 0u);
  SetPrimaryKey("dev-1", auth::Key::Generate());
  PublishRecord("dev-1");
  EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE));
  EXPECT_EQ(edge->Open(2, "dev-1", Token("dev-1")).code(), Result::CODE_NOT_AUTHORIZED);
}

TEST_F(HubRevocationTest, TheOtherKeyAndAnyOtherChangeLeaveItAlone) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  const int lookups = twin_.lookups();
  twin_.Change("dev-1", [](pb::DeviceRecord& record) { record.set_secondary_key(auth::Key::Generate().ToBase64()); });
  PublishRecord("dev-1");
  ASSERT_TRUE(WaitFor([&] { return twin_.lookups() > lookups; }));
  AwaitChecks(*edge);
  EXPECT_FALSE(WasToldToGo(*edge, 1, opened.epoch()));
}

TEST_F(HubRevocationTest, SwappedKeysBothHold) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  const int lookups = twin_.lookups();
  twin_.Change("dev-1", [this](pb::DeviceRecord& record) {
    record.set_primary_key(second_key_.ToBase64());
    record.set_secondary_key(key_.ToBase64());
  });
  PublishRecord("dev-1");
  ASSERT_TRUE(WaitFor([&] { return twin_.lookups() > lookups; }));
  AwaitChecks(*edge);
  EXPECT_FALSE(WasToldToGo(*edge, 1, opened.epoch()));
}

TEST_F(HubRevocationTest, ItStaysWhenThatIsWished) {
  StopHub();
  config_.keep_sessions_on_key_change = true;
  StartHub();
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  const int lookups = twin_.lookups();
  SetPrimaryKey("dev-1", auth::Key::Generate());
  PublishRecord("dev-1");
  ASSERT_TRUE(WaitFor([&] { return twin_.lookups() > lookups; }));
  twin_.SetDisabled("dev-2", false);
  const Result other = OpenAccepted(*edge, 2, "dev-2");
  twin_.SetDisabled("dev-2", true);
  PublishRecord("dev-2", true);
  EXPECT_TRUE(edge->AwaitDisconnect(2, other.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE))
      << "who is disabled goes all the same";
  EXPECT_FALSE(WasToldToGo(*edge, 1, opened.epoch()));
}

TEST_F(HubRevocationTest, AModuleGoesByItsOwnKey) {
  twin_.AddDevice("dev-1/mod", key_);
  const auto edge = NewEdge();
  const Result device = OpenAccepted(*edge, 1, "dev-1");
  const Result module = OpenAccepted(*edge, 2, "dev-1/mod");
  SetPrimaryKey("dev-1/mod", auth::Key::Generate());
  PublishRecord("dev-1/mod");
  EXPECT_TRUE(edge->AwaitDisconnect(2, module.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE));
  EXPECT_FALSE(WasToldToGo(*edge, 1, device.epoch()));
}

// As when it was created a moment ago: the news comes while it connects.
TEST_F(HubRevocationTest, NewsThatChangeNothingForItLeaveADeviceThatConnectsAlone) {
  const auto edge = NewEdge();
  twin_.DuringNextLookup([this] { PublishRecord("dev-1"); });
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  AwaitChecks(*edge);
  EXPECT_FALSE(WasToldToGo(*edge, 1, opened.epoch()));
}

TEST_F(HubRevocationTest, ADeviceThatIsDisabledWhileItConnectsGoes) {
  const auto edge = NewEdge();
  twin_.DuringNextLookup([this] {
    twin_.SetDisabled("dev-1", true);
    PublishRecord("dev-1", true);
  });
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE));
}

TEST_F(HubRevocationTest, WhatChangedWhileNobodyListenedIsFoundAtTheAnnouncement) {
  struct Case {
    const char* name;
    std::function<void(pb::DeviceRecord&)> change;
  };
  const Case cases[] = {
      {"disabled", [](pb::DeviceRecord& record) { record.set_disabled(true); }},
      {"other key", [](pb::DeviceRecord& record) { record.set_primary_key(auth::Key::Generate().ToBase64()); }},
      {"registered again", [](pb::DeviceRecord& record) { record.set_generation_id("next"); }},
  };
  for (const Case& one : cases) {
    twin_.RemoveDevice("dev-1");
    twin_.AddDevice("dev-1", key_);
    auto edge = NewEdge();
    const Result opened = OpenAccepted(*edge, 1, "dev-1");
    StopHub();
    edge.reset();
    twin_.Change("dev-1", one.change);
    StartHub();
    edge = NewEdge();
    edge->Announce(1, "dev-1", opened.epoch(), 0, opened.credential());
    EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE)) << one.name;
    edge->Close(1, "dev-1", opened.epoch());
  }
}

TEST_F(HubRevocationTest, AnAnnouncedSessionWithoutReasonStays) {
  auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  StopHub();
  edge.reset();
  StartHub();
  edge = NewEdge();
  edge->Announce(1, "dev-1", opened.epoch(), 0, opened.credential());
  AwaitChecks(*edge);
  EXPECT_FALSE(WasToldToGo(*edge, 1, opened.epoch()));
}

TEST_F(HubRevocationTest, AnAnnouncementThatTwinDidNotHearOfIsCheckedWhenItIsBack) {
  auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  StopHub();
  edge.reset();
  twin_.SetDisabled("dev-1", true);
  twin_.SetAway(true);
  StartHub();
  edge = NewEdge();
  edge->Announce(1, "dev-1", opened.epoch(), 0, opened.credential());
  // The answer to an announcement comes when everything about it has been tried.
  ASSERT_TRUE(AwaitCheck(*edge, false).has_value());
  EXPECT_FALSE(WasToldToGo(*edge, 1, opened.epoch()));
  twin_.SetAway(false);
  EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE));
}

TEST_F(HubRevocationTest, ASessionOfAnotherReplicaIsAskedToAnnounceItself) {
  auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  // The hub is done with it: a session whose edge is lost until then is taken back.
  ASSERT_TRUE(WaitFor([&] { return absl::StrContains(metrics_.Text(), "fleetcast_session_open_batch_sum 1\n"); }));
  StopHub();
  edge.reset();
  StartHub();  // As a replica to which the edge is attached, and which did not hear of the connect.
  edge = NewEdge();
  SetPrimaryKey("dev-1", auth::Key::Generate());
  PublishRecord("dev-1");
  const auto check = AwaitCheck(*edge, true);
  ASSERT_TRUE(check.has_value());
  EXPECT_EQ(check->device_id(), "dev-1");
  EXPECT_EQ(check->epoch(), opened.epoch());
  edge->Announce(1, "dev-1", opened.epoch(), 0, opened.credential());
  EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch(), pb::DisconnectSession::REASON_ADMINISTRATIVE));
}

}  // namespace
}  // namespace fleetcast::device_connection
