#include "libs/base/bounded_queue.h"

#include <gtest/gtest.h>

namespace fleetcast {
namespace {

TEST(BoundedQueueTest, RefusesWhenFullAndAcceptsAgainAfterPop) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_TRUE(queue.TryPush(2));
  EXPECT_FALSE(queue.TryPush(3));
  EXPECT_EQ(queue.Pop(absl::ZeroDuration(), {}), 1);
  EXPECT_TRUE(queue.TryPush(3));
}

TEST(BoundedQueueTest, PopManyTakesInOrderUpToTheLimit) {
  BoundedQueue<int> queue(10);
  for (int i = 0; i < 5; ++i) queue.TryPush(i);
  EXPECT_EQ(queue.PopMany(3, absl::ZeroDuration(), {}), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(queue.PopMany(3, absl::ZeroDuration(), {}), (std::vector<int>{3, 4}));
  EXPECT_TRUE(queue.PopMany(3, absl::ZeroDuration(), {}).empty());
}

TEST(BoundedQueueTest, PopReturnsWhenStopped) {
  BoundedQueue<int> queue(1);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(queue.Pop(absl::Hours(1), stop.get_token()), std::nullopt);
}

}  // namespace
}  // namespace fleetcast
