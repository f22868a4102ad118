#include "services/method_dispatch/watcher_table.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fleetcast::method_dispatch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr SchedulerStream kHuge = (SchedulerStream{1} << 32) + 7;

TEST(WatcherTableTest, AStreamWatchesADeviceOnce) {
  WatcherTable table;
  table.Add("a", 1);
  table.Add("a", 1);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_TRUE(table.contains("a"));
  EXPECT_FALSE(table.contains("b"));
  EXPECT_TRUE(table.Remove("a", 1));
  EXPECT_FALSE(table.Remove("a", 1));
  EXPECT_FALSE(table.contains("a"));
}

TEST(WatcherTableTest, SeveralStreamsWatchADeviceUntilTheLastGoes) {
  WatcherTable table;
  for (const SchedulerStream stream : {SchedulerStream{1}, SchedulerStream{2}, kHuge}) table.Add("a", stream);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_FALSE(table.Remove("a", 1));
  EXPECT_FALSE(table.Remove("a", 2));
  EXPECT_THAT(table.DevicesOf(kHuge), ElementsAre("a"));
  EXPECT_THAT(table.DevicesOf(7), IsEmpty());
  EXPECT_TRUE(table.Remove("a", kHuge));
  EXPECT_EQ(table.size(), 0u);
}

TEST(WatcherTableTest, TakeTellsAndForgetsThem) {
  WatcherTable table;
  table.Add("a", 2);
  table.Add("a", 1);
  table.Add("b", 1);
  EXPECT_THAT(table.Take("a"), ElementsAre(2, 1));
  EXPECT_THAT(table.Take("a"), IsEmpty());
  EXPECT_THAT(table.Take("b"), ElementsAre(1));
  EXPECT_THAT(table.Devices(), IsEmpty());
}

TEST(WatcherTableTest, KnowsTheIdsOfAllLengths) {
  WatcherTable table;
  const std::string longest(255, 'x');
  for (const std::string& id : {std::string("a"), std::string("b\0c", 3), longest}) table.Add(id, 1);
  table.Add("a", 2);
  EXPECT_THAT(table.Devices(), UnorderedElementsAre("a", std::string("b\0c", 3), longest));
  EXPECT_THAT(table.DevicesOf(2), ElementsAre("a"));
}

}  // namespace
}  // namespace fleetcast::method_dispatch
