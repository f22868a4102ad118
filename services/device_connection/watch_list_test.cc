#include "services/device_connection/watch_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

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

TEST(WatchListTest, ADeviceOfSeveralWatchersSurvivesEachOfThem) {
  for (const DispatcherStream gone : {1, 2, 3}) {
    for (const bool at_once : {false, true}) {
      WatchList list;
      for (const DispatcherStream stream : {1, 2, 3}) list.Add(stream, "dev-1");
      if (at_once) {
        list.RemoveStream(gone);
      } else {
        list.Remove(gone, "dev-1");
      }
      EXPECT_EQ(list.size(), 1u);
      const std::vector<DispatcherStream> told = list.Take("dev-1");
      EXPECT_EQ(told.size(), 2u);
      EXPECT_EQ(std::count(told.begin(), told.end(), gone), 0);
    }
  }
}

TEST(WatchListTest, IsBoundedPerStream) {
  WatchList list(/*per_stream_max=*/3);
  for (const char* device : {"0", "1", "2"}) EXPECT_TRUE(list.Add(1, device));
  EXPECT_TRUE(list.Add(1, "0"));  // Is there already.
  EXPECT_FALSE(list.Add(1, "more"));
  EXPECT_TRUE(list.Add(2, "more"));
  list.Take("0");
  EXPECT_TRUE(list.Add(1, "more"));
}

}  // namespace
}  // namespace fleetcast::device_connection
