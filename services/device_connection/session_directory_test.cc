#include "services/device_connection/session_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/redis/client.h"
#include "libs/testing/private_redis.h"
#include "libs/testing/status_matchers.h"

namespace fleetcast::device_connection {
namespace {

using ::testing::ElementsAre;

class SessionDirectoryTest : public ::testing::Test {
 protected:
  SessionDirectoryTest() { EXPECT_EQ(*directory_.Install(1), 1); }

  OpenedSession Open(const std::string& device, std::optional<uint32_t> stored = std::nullopt, bool clean = false) {
    const auto opened = directory_.Open({{.device_id = device,
                                          .edge = {"edge-0", "boot-0"},
                                          .session = next_session_++,
                                          .connect_unix_micros = 1,
                                          .clean = clean,
                                          .stored_subscriptions = stored}});
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? opened->front() : OpenedSession();
  }
  std::optional<SessionEntry> Find(const std::string& device) {
    const auto entries = directory_.Find({device});
    EXPECT_TRUE(entries.ok()) << entries.status();
    return entries.ok() ? entries->front() : std::nullopt;
  }
  void Close(const std::string& device, int64_t epoch) {
    const absl::Status closed = directory_.Close({{device, epoch}});
    EXPECT_TRUE(closed.ok()) << closed;
  }
  void Flush() { ASSERT_TRUE(redis_->Run({"FLUSHALL"}, absl::Seconds(5)).ok()); }

  fleetcast::testing::PrivateRedis server_;
  std::unique_ptr<redis::Client> redis_ = *redis::Client::Create({.address = server_.address()}, SystemClock());
  SessionDirectory directory_{*redis_};
  uint64_t next_session_ = 1;
};

TEST_F(SessionDirectoryTest, WhatWasOpenedIsFound) {
  const OpenedSession opened = Open("dev-1", 5);
  EXPECT_EQ(opened.entry.epoch, MakeEpoch(1, 1));
  EXPECT_FALSE(opened.previous.has_value());
  const auto found = Find("dev-1");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(Encode(*found), Encode(opened.entry));
  EXPECT_FALSE(Find("dev-2").has_value());
}

TEST_F(SessionDirectoryTest, ANewerSessionTakesOverAndTellsWhatItReplaced) {
  const OpenedSession first = Open("dev-1", 5);
  const OpenedSession second = Open("dev-1", 5);
  EXPECT_GT(second.entry.epoch, first.entry.epoch);
  ASSERT_TRUE(second.previous.has_value());
  EXPECT_EQ(Encode(*second.previous), Encode(first.entry));
}

TEST_F(SessionDirectoryTest, OneBatchGivesEveryDeviceAnEpochOfItsOwn) {
  std::vector<NewSession> sessions;
  for (int i = 0; i < 1000; ++i) {
    sessions.push_back({.device_id = "dev-" + std::to_string(i % 500),
                        .edge = {"edge-0", "boot-0"},
                        .session = static_cast<uint64_t>(i),
                        .connect_unix_micros = 1,
                        .clean = false,
                        .stored_subscriptions = 0});
  }
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto opened, directory_.Open(sessions));
  std::set<int64_t> epochs;
  for (const OpenedSession& session : opened) epochs.insert(session.entry.epoch);
  EXPECT_EQ(epochs.size(), 1000u);
  EXPECT_EQ(Find("dev-0")->session, 500u);
  EXPECT_EQ(opened[500].previous->session, 0u);
}

TEST_F(SessionDirectoryTest, ClosingAnOldSessionLeavesTheNewOne) {
  const OpenedSession first = Open("dev-1", 0);
  const OpenedSession second = Open("dev-1", 0);
  Close("dev-1", first.entry.epoch);
  EXPECT_TRUE(Find("dev-1")->is_connected());
  Close("dev-1", second.entry.epoch);
  EXPECT_FALSE(Find("dev-1")->is_connected());
}

TEST_F(SessionDirectoryTest, StoredSubscriptionsOutliveTheConnection) {
  const OpenedSession first = Open("dev-1", 0);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto stands,
                                 directory_.SetSubscriptions({{"dev-1", first.entry.epoch, Stored::kYes, 5}}));
  EXPECT_THAT(stands, ElementsAre(true));
  Close("dev-1", first.entry.epoch);
  const OpenedSession second = Open("dev-1");
  EXPECT_EQ(second.entry.stored, Stored::kYes);
  EXPECT_EQ(second.entry.subscriptions, 5u);
  EXPECT_EQ(Encode(*Find("dev-1")), Encode(second.entry));
}

TEST_F(SessionDirectoryTest, ACleanSessionStoresNothing) {
  const OpenedSession first = Open("dev-1", 5);
  const OpenedSession clean = Open("dev-1", std::nullopt, true);
  EXPECT_EQ(clean.entry.stored, Stored::kNo);
  EXPECT_EQ(clean.entry.subscriptions, 0u);
  ASSERT_TRUE(directory_.SetSubscriptions({{"dev-1", clean.entry.epoch, Stored::kNo, 3}}).ok());
  const OpenedSession next = Open("dev-1");
  EXPECT_EQ(next.previous->stored, Stored::kNo);
  EXPECT_EQ(next.entry.stored, Stored::kYes);
  EXPECT_EQ(next.entry.subscriptions, 0u);
  EXPECT_EQ(Encode(*Find("dev-1")), Encode(next.entry));
  const OpenedSession last = Open("dev-1", std::nullopt, true);
  Close("dev-1", last.entry.epoch);
  EXPECT_FALSE(Find("dev-1")->is_connected());
}

TEST_F(SessionDirectoryTest, TheEpochOfAConnectionThatEndedFencesOlderOnesForAWhile) {
  const OpenedSession older = Open("dev-1", std::nullopt, true);
  const OpenedSession newer = Open("dev-1", std::nullopt, true);
  Close("dev-1", newer.entry.epoch);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto stands, directory_.Announce({{"dev-1", older.entry}}));
  EXPECT_THAT(stands, ElementsAre(false));
  const auto left = redis_->Run({"PTTL", "fleetcast:session:dev-1"}, absl::Seconds(5));
  ASSERT_TRUE(left.ok());
  EXPECT_GT(left->integer, 0);
  EXPECT_LE(left->integer, absl::ToInt64Milliseconds(SessionDirectory::kEpochRemembered));
  const OpenedSession next = Open("dev-1");  // Nothing is stored, as the epoch's entry still says.
  EXPECT_EQ(next.entry.stored, Stored::kYes);
  EXPECT_EQ(next.entry.subscriptions, 0u);
}

TEST_F(SessionDirectoryTest, AnUnknownPastStaysUnknown) {
  EXPECT_EQ(Open("dev-1").entry.stored, Stored::kUnknown);
  const OpenedSession known = Open("dev-2", 5);
  ASSERT_TRUE(directory_.ForgetStored({"dev-2", "absent"}).ok());
  EXPECT_EQ(Find("dev-2")->epoch, known.entry.epoch);
  EXPECT_TRUE(Find("dev-2")->is_connected());
  EXPECT_EQ(Open("dev-2").entry.stored, Stored::kUnknown);
}

TEST_F(SessionDirectoryTest, SubscriptionsOfASupersededSessionAreRefused) {
  const OpenedSession first = Open("dev-1", 0);
  Open("dev-1", 0);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto stands,
                                 directory_.SetSubscriptions({{"dev-1", first.entry.epoch, Stored::kYes, 5},
                                                              {"absent", first.entry.epoch, Stored::kYes, 5}}));
  EXPECT_THAT(stands, ElementsAre(false, true));
  EXPECT_EQ(Find("dev-1")->subscriptions, 0u);
}

TEST_F(SessionDirectoryTest, EveryCallSaysThatTheMemoryIsLost) {
  const OpenedSession opened = Open("dev-1", 5);
  Flush();
  EXPECT_TRUE(SessionDirectory::IsLost(directory_.Generation().status()));
  EXPECT_TRUE(SessionDirectory::IsLost(directory_.Find({"dev-1"}).status()));
  EXPECT_TRUE(SessionDirectory::IsLost(directory_.Announce({{"dev-1", opened.entry}}).status()));
  EXPECT_TRUE(SessionDirectory::IsLost(directory_.Open({{.device_id = "dev-1", .edge = {"e", "b"}}}).status()));
}

TEST_F(SessionDirectoryTest, AMemoryIsNotLostBecauseSessionsOpenMeanwhile) {
  std::vector<std::jthread> openers;
  for (int opener = 0; opener < 3; ++opener) {
    openers.emplace_back([&, opener](const std::stop_token& stop) {
      for (uint64_t i = 0; !stop.stop_requested(); ++i) {
        const std::string device_id = absl::StrCat("dev-", opener, "-", i % 10);
        FLEETCAST_ASSERT_OK(
            directory_.Open({{.device_id = device_id, .edge = {"edge-0", "boot-0"}, .session = i, .clean = true}}));
      }
    });
  }
  for (int i = 0; i < 3000; ++i) FLEETCAST_ASSERT_OK(directory_.Generation());
}

TEST_F(SessionDirectoryTest, ANewGenerationTakesTheLiveSessionsBack) {
  const OpenedSession opened = Open("dev-1", 5);
  Flush();
  EXPECT_EQ(*directory_.Install(2), 2);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto stands, directory_.Announce({{"dev-1", opened.entry}}));
  EXPECT_THAT(stands, ElementsAre(true));
  EXPECT_EQ(Encode(*Find("dev-1")), Encode(opened.entry));
  EXPECT_EQ(Open("dev-1").entry.epoch, MakeEpoch(2, 1));
}

TEST_F(SessionDirectoryTest, AnAnnouncementLosesAgainstANewerSession) {
  const OpenedSession first = Open("dev-1", 5);
  const OpenedSession second = Open("dev-1", 5);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto stands, directory_.Announce({{"dev-1", first.entry}}));
  EXPECT_THAT(stands, ElementsAre(false));
  EXPECT_EQ(Find("dev-1")->epoch, second.entry.epoch);
}

TEST_F(SessionDirectoryTest, AnAnnouncementThatDoesNotKnowLeavesWhatIsStored) {
  SessionEntry entry = Open("dev-1", 5).entry;
  entry.stored = Stored::kUnknown;
  entry.subscriptions = 7;
  ASSERT_TRUE(directory_.Announce({{"dev-1", entry}}).ok());
  EXPECT_EQ(Find("dev-1")->stored, Stored::kYes);
  EXPECT_EQ(Find("dev-1")->subscriptions, 7u);
}

TEST_F(SessionDirectoryTest, AStaleReplicaIsRecognisedByItsCounter) {
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const redis::Reply counter, redis_->Run({"GET", "fleetcast:epoch"}, absl::Seconds(5)));
  const OpenedSession opened = Open("dev-1", 5);
  Open("dev-1", 5);
  ASSERT_TRUE(redis_->Run({"SET", "fleetcast:epoch", counter.text}, absl::Seconds(5)).ok());
  EXPECT_TRUE(SessionDirectory::IsLost(directory_.Announce({{"dev-2", opened.entry}}).status()));
  EXPECT_TRUE(SessionDirectory::IsLost(directory_.Open({{.device_id = "dev-3", .edge = {"e", "b"}}}).status()));
  EXPECT_TRUE(SessionDirectory::IsLost(directory_.Generation().status()));
  EXPECT_EQ(directory_.seen_generation(), 1);
}

// A process that has just started knows no counter; the sentinel of another Redis process tells it all the same.
TEST_F(SessionDirectoryTest, AReplicaThatTookOverIsRecognisedByWhoWroteTheSentinel) {
  const OpenedSession opened = Open("dev-1", 5);
  ASSERT_TRUE(redis_->Run({"SET", "fleetcast:generation", "1 0123456789abcdef"}, absl::Seconds(5)).ok());
  SessionDirectory fresh(*redis_);
  EXPECT_TRUE(SessionDirectory::IsLost(fresh.Generation().status()));
  EXPECT_TRUE(SessionDirectory::IsLost(fresh.Open({{.device_id = "dev-3", .edge = {"e", "b"}}}).status()));
  EXPECT_TRUE(SessionDirectory::IsLost(fresh.Announce({{"dev-1", opened.entry}}).status()));
  EXPECT_EQ(*fresh.Install(2), 2);
  EXPECT_EQ(*fresh.Generation(), 2);
}

TEST_F(SessionDirectoryTest, TheHighestGenerationStands) {
  EXPECT_EQ(*directory_.Install(3), 3);
  EXPECT_EQ(*directory_.Install(2), 3);
  EXPECT_EQ(*directory_.Generation(), 3);
}

TEST_F(SessionDirectoryTest, EachLifeOfAnEdgeHasItsLease) {
  ASSERT_TRUE(directory_.RenewLeases({{"edge-9", "boot-1"}}).ok());
  ASSERT_TRUE(directory_.RenewLeases({{"edge-9", "boot-0"}}).ok());  // By whoever has not noticed its end.
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto leases,
                                 directory_.HaveLeases({{"edge-9", "boot-1"}, {"edge-9", "boot-2"}}));
  EXPECT_THAT(leases, ElementsAre(true, false));
}

TEST_F(SessionDirectoryTest, AnEdgeThatOpensASessionHasALease) {
  const NewSession session{.device_id = "dev", .edge = {"edge-8", "boot-1"}, .session = 1};
  ASSERT_TRUE(directory_.Open({session}).ok());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto leases, directory_.HaveLeases({session.edge}));
  EXPECT_THAT(leases, ElementsAre(true));
}

TEST_F(SessionDirectoryTest, UndoTakesOutExactlyTheSessionThatWasRefused) {
  const NewSession refused{.device_id = "dev", .edge = {"edge-8", "boot-1"}, .session = 1};
  NewSession other = refused;
  other.session = 2;
  ASSERT_TRUE(directory_.Open({refused}).ok());
  ASSERT_TRUE(directory_.Undo({other}).ok());
  EXPECT_TRUE(Find("dev")->is_connected());
  ASSERT_TRUE(directory_.Undo({refused}).ok());
  EXPECT_FALSE(Find("dev").has_value() && Find("dev")->is_connected());
}

TEST_F(SessionDirectoryTest, AScanSeesEveryConnectedSession) {
  for (int i = 0; i < 300; ++i) Open("dev-" + std::to_string(i), 0);
  Close("dev-0", Find("dev-0")->epoch);
  std::set<std::string> seen;
  std::string cursor = "0";
  do {
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto page, directory_.Scan(cursor, 100));
    for (const Announcement& session : page.sessions) seen.insert(session.device_id);
    cursor = page.next;
  } while (cursor != "0");
  EXPECT_EQ(seen.size(), 299u);
  EXPECT_FALSE(seen.contains("dev-0"));
}

}  // namespace
}  // namespace fleetcast::device_connection
