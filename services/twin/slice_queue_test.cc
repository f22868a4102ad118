#include "services/twin/slice_queue.h"

#include <gtest/gtest.h>

namespace fleetcast::twin {
namespace {

SliceWork Work(int chunk, int slice, int devices, const std::string& patch = "{}") {
  SliceWork work;
  work.slice.set_job_seq(1);
  work.slice.set_chunk(chunk);
  work.slice.set_slice(slice);
  work.slice.set_desired_patch(patch);
  for (int i = 0; i < devices; ++i) work.slice.add_device_ids("d");
  return work;
}

TEST(SliceQueueTest, GroupsWhatWaitsOfOneChangeInOrderOfKeys) {
  SliceQueue queue({.takers = 1, .slices_max = 10, .devices_max = 1000});
  ASSERT_TRUE(queue.TryAdd(Work(0, 1, 250)));
  ASSERT_TRUE(queue.TryAdd(Work(0, 2, 250, R"({"other":1})")));
  ASSERT_TRUE(queue.TryAdd(Work(0, 0, 250)));
  const std::vector<SliceWork> group = queue.Take();
  ASSERT_EQ(group.size(), 2u);
  EXPECT_EQ(group[0].slice.slice(), 0);
  EXPECT_EQ(group[1].slice.slice(), 1);
  EXPECT_EQ(queue.Take().size(), 1u);
  EXPECT_TRUE(queue.Take().empty());
}

TEST(SliceQueueTest, AGroupHasABound) {
  SliceQueue queue({.takers = 1, .slices_max = 10, .devices_max = 600});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.TryAdd(Work(0, i, 250)));
  ASSERT_TRUE(queue.TryAdd(Work(1, 0, 5000)));
  EXPECT_EQ(queue.Take().size(), 2u);
  EXPECT_EQ(queue.Take().size(), 1u);
  EXPECT_EQ(queue.Take().size(), 1u);
}

TEST(SliceQueueTest, FewSlicesAreSharedAmongTakers) {
  SliceQueue queue({.takers = 3, .slices_max = 10, .devices_max = 1000});
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(queue.TryAdd(Work(0, i, 250)));
  EXPECT_EQ(queue.Take().size(), 2u);
  EXPECT_EQ(queue.Take().size(), 1u);
  EXPECT_EQ(queue.Take().size(), 1u);
}

TEST(SliceQueueTest, RefusesWhatIsTooMuch) {
  SliceQueue queue({.takers = 1, .slices_max = 1, .devices_max = 1000});
  ASSERT_TRUE(queue.TryAdd(Work(0, 0, 1)));
  EXPECT_FALSE(queue.TryAdd(Work(0, 1, 1)));
}

}  // namespace
}  // namespace fleetcast::twin
