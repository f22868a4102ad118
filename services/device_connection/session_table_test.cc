#include "services/device_connection/session_table.h"

#include <gtest/gtest.h>

namespace fleetcast::device_connection {
namespace {

std::shared_ptr<const EdgeName> Edge(const std::string& id, const std::string& boot) {
  return std::make_shared<const EdgeName>(EdgeName{id, boot});
}

Session Of(const std::string& device, int64_t epoch, std::shared_ptr<const EdgeName> edge = Edge("edge-0", "b1")) {
  return {.device_id = device,
          .epoch = epoch,
          .session = static_cast<uint64_t>(epoch),
          .stored = Stored::kYes,
          .subscriptions = 1,
          .connect_unix_micros = 5,
          .edge = std::move(edge)};
}

TEST(SessionTableTest, TheHigherEpochWinsInAnyOrder) {
  SessionTable table;
  EXPECT_TRUE(table.Insert(Of("dev-1", 2)));
  EXPECT_FALSE(table.Insert(Of("dev-1", 1)));
  EXPECT_TRUE(table.Insert(Of("dev-1", 3)));
  EXPECT_EQ(table.Find("dev-1")->epoch, 3);
  EXPECT_EQ(table.size(), 1u);
}

TEST(SessionTableTest, RemovalIsConditionalOnTheEpoch) {
  SessionTable table;
  table.Insert(Of("dev-1", 3));
  EXPECT_FALSE(table.Remove("dev-1", 2));
  EXPECT_TRUE(table.Find("dev-1").has_value());
  EXPECT_TRUE(table.Remove("dev-1", 3));
  EXPECT_FALSE(table.Find("dev-1").has_value());
}

TEST(SessionTableTest, FindsTheDeviceOfALiveEpochOnly) {
  SessionTable table;
  table.Insert(Of("dev-1", 3));
  EXPECT_EQ(table.DeviceOf(3), "dev-1");
  table.Insert(Of("dev-1", 4));
  EXPECT_EQ(table.DeviceOf(3), "");
  EXPECT_EQ(table.DeviceOf(4), "dev-1");
  table.Remove("dev-1", 4);
  EXPECT_EQ(table.DeviceOf(4), "");
}

TEST(SessionTableTest, ChangesSubscriptionsOfTheSameSessionOnly) {
  SessionTable table;
  table.Insert(Of("dev-1", 3));
  EXPECT_FALSE(table.SetSubscriptions("dev-1", 2, Stored::kYes, 7));
  EXPECT_TRUE(table.SetSubscriptions("dev-1", 3, Stored::kYes, 6));
  EXPECT_TRUE(table.Find("dev-1")->has(4));
  EXPECT_FALSE(table.Find("dev-1")->has(1));
}

TEST(SessionTableTest, ChangesTheCredentialOfTheSameSessionOnly) {
  SessionTable table;
  table.Insert(Of("dev-1", 3));
  EXPECT_FALSE(table.SetCredential("dev-1", 2, 7));
  EXPECT_TRUE(table.SetCredential("dev-1", 3, 6));
  EXPECT_EQ(table.Find("dev-1")->credential, 6u);
}

TEST(SessionTableTest, RemovesOneLifeOfOneEdge) {
  SessionTable table;
  table.Insert(Of("a", 1, Edge("edge-0", "b1")));
  table.Insert(Of("b", 2, Edge("edge-0", "b2")));
  table.Insert(Of("c", 3, Edge("edge-1", "b1")));
  const auto removed = table.RemoveEdge({"edge-0", "b1"});
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].device_id, "a");
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.DeviceOf(1), "");
}

TEST(SessionTableTest, ShardsTogetherHoldEverySession) {
  SessionTable table;
  for (int i = 1; i <= 1000; ++i) table.Insert(Of("dev-" + std::to_string(i), i));
  size_t total = 0;
  for (size_t shard = 0; shard < SessionTable::kShards; ++shard) total += table.Shard(shard).size();
  EXPECT_EQ(total, 1000u);
}

}  // namespace
}  // namespace fleetcast::device_connection
