#include "services/device_connection/untold_edges.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fleetcast::device_connection {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const EdgeName kFirstLife{"edge-0", "boot-0"};
const EdgeName kNextLife{"edge-0", "boot-1"};

TEST(UntoldEdgesTest, AnEdgeIsDueAfterALeaseAndOnlyOnce) {
  UntoldEdges untold(absl::Seconds(10));
  untold.Add(kFirstLife, absl::Seconds(100));
  EXPECT_THAT(untold.TakeDue(absl::Seconds(109)), IsEmpty());
  EXPECT_THAT(untold.TakeDue(absl::Seconds(110)), ElementsAre(kFirstLife));
  EXPECT_THAT(untold.TakeDue(absl::Seconds(200)), IsEmpty());
}

TEST(UntoldEdgesTest, MoreSessionsOfAnEdgeDoNotPutItOff) {
  UntoldEdges untold(absl::Seconds(10));
  untold.Add(kFirstLife, absl::Seconds(100));
  untold.Add(kFirstLife, absl::Seconds(109));
  EXPECT_THAT(untold.TakeDue(absl::Seconds(110)), ElementsAre(kFirstLife));
}

TEST(UntoldEdgesTest, EachLifeOfAnEdgeWaitsAlone) {
  UntoldEdges untold(absl::Seconds(10));
  untold.Add(kFirstLife, absl::Seconds(100));
  untold.Add(kNextLife, absl::Seconds(105));
  EXPECT_THAT(untold.TakeDue(absl::Seconds(110)), ElementsAre(kFirstLife));
  EXPECT_THAT(untold.TakeDue(absl::Seconds(115)), ElementsAre(kNextLife));
}

}  // namespace
}  // namespace fleetcast::device_connection
