#include "services/device_connection/watch_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::device_connection {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(WatchListTest, TellsEveryWatcherOnce) {
  WatchList list;
  EXPECT_TRUE(list.Add(1, "dev-1"));
  EXPECT_TRUE(list.Add(2, "dev-1"));
  EXPECT_TRUE(list.Add(2, "dev-1"));
  EXPECT_THAT(list.Take("dev-1"), UnorderedElementsAre(1, 2));
  EXPECT_THAT(list.Take("dev-1"), IsEmpty());
}

TEST(WatchListTest, ForgetsAWatcherOrAStream) {
  WatchList list;
  list.Add(1, "dev-1");
  list.Add(2, "dev-1");
  list.Add(2, "dev-2");
  list.Remove(1, "dev-1");
  list.Remove(1, "absent");
  EXPECT_THAT(list.Take("dev-1"), ElementsAre(2));
  list.RemoveStream(2);
  EXPECT_TRUE(list.empty());
}

TEST(WatchListTest, IsBoundedPerStream) {
  WatchList list;
  for (size_t i = 0; i < WatchList::kPerStreamMax; ++i) list.Add(1, std::to_string(i));
  EXPECT_FALSE(list.Add(1, "more"));
  EXPECT_TRUE(list.Add(2, "more"));
  list.Take("0");
  EXPECT_TRUE(list.Add(1, "more"));
}

}  // namespace
}  // namespace fleetcast::device_connection
