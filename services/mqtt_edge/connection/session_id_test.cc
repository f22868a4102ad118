#include "services/mqtt_edge/connection/session_id.h"
#include "gtest/gtest.h"

namespace fleetcast::mqtt_edge {
namespace {

TEST(SessionIdTest, HoldsItsParts) {
  const SessionId session = MakeSessionId(0xdeadbeef, kSlotsMax - 1, 255);
  EXPECT_EQ(LoopOf(session), 255);
  EXPECT_EQ(SlotOf(session), kSlotsMax - 1);
  EXPECT_NE(session, MakeSessionId(0xdeadbef0, kSlotsMax - 1, 255));
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
