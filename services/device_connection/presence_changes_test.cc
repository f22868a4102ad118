#include "services/device_connection/presence_changes.h"

#include <gtest/gtest.h>

namespace fleetcast::device_connection {
namespace {

using internal::v1::PresenceChange;

PresenceChange Only(PresenceChanges& changes) {
  const std::vector<PresenceChange> taken = changes.Take(10);
  EXPECT_EQ(taken.size(), 1u);
  return taken.empty() ? PresenceChange() : taken[0];
}

TEST(PresenceChangesTest, TheLastStateOfADeviceIsReportedOnce) {
  PresenceChanges changes;
  changes.Connected("dev-1", 1, 100);
  changes.Disconnected("dev-1", 1, 200);
  changes.Connected("dev-1", 2, 300);
  const PresenceChange change = Only(changes);
  EXPECT_TRUE(change.connected());
  EXPECT_EQ(change.session_epoch(), 2);
  EXPECT_EQ(change.activity_unix_micros(), 300);
}

TEST(PresenceChangesTest, ALateDisconnectOfAnOldSessionIsIgnored) {
  PresenceChanges changes;
  changes.Connected("dev-1", 2, 100);
  changes.Disconnected("dev-1", 1, 200);
  EXPECT_TRUE(Only(changes).connected());
}

TEST(PresenceChangesTest, ActivityKeepsTheConnectItComesWith) {
  PresenceChanges changes;
  changes.Connected("dev-1", 1, 100);
  changes.Active("dev-1", 1, 200);
  const PresenceChange change = Only(changes);
  EXPECT_FALSE(change.activity_only());
  EXPECT_TRUE(change.connected());
  EXPECT_EQ(change.activity_unix_micros(), 200);
}

TEST(PresenceChangesTest, ActivityDoesNotReviveAnEndedSession) {
  PresenceChanges changes;
  changes.Disconnected("dev-1", 1, 100);
  changes.Active("dev-1", 1, 200);
  changes.Connected("dev-1", 1, 50);
  EXPECT_FALSE(Only(changes).connected());
}

TEST(PresenceChangesTest, ActivityAloneIsMarked) {
  PresenceChanges changes;
  changes.Active("dev-1", 1, 100);
  EXPECT_TRUE(Only(changes).activity_only());
}

TEST(PresenceChangesTest, WhatCouldNotBeReportedComesAgainUnlessOutdated) {
  PresenceChanges changes;
  changes.Connected("a", 1, 100);
  changes.Connected("b", 1, 100);
  std::vector<PresenceChange> taken = changes.Take(10);
  changes.Disconnected("a", 1, 200);
  changes.Active("b", 1, 300);
  changes.PutBack(std::move(taken));
  for (const PresenceChange& change : changes.Take(10)) {
    EXPECT_EQ(change.connected(), change.device_id() == "b");
    EXPECT_FALSE(change.activity_only());
  }
}

TEST(PresenceChangesTest, TakesPages) {
  PresenceChanges changes;
  for (int i = 0; i < 10; ++i) changes.Connected(std::to_string(i), 1, 1);
  EXPECT_EQ(changes.Take(7).size(), 7u);
  EXPECT_EQ(changes.Take(7).size(), 3u);
  EXPECT_EQ(changes.size(), 0u);
}

}  // namespace
}  // namespace fleetcast::device_connection
