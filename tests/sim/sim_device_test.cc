// The habits of played devices are what they say: a rule that they broke by themselves would accuse the product.
#include "tests/sim/sim_device.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sim/rules.h"
#include "tests/sim/sim_edge.h"
#include "tests/sim/world.h"

namespace fleetcast::sim {
namespace {

// Requests lie in blocked sockets while their devices answer older ones, and others' besides.
TEST(SimDeviceTest, WhoAnswersForOthersDoesNotAnswerItsOwnCallsBeforeTheyCome) {
  SimMetrics metrics;
  WorldOptions options;
  options.schedulers = options.dispatchers = options.hubs = options.edges = 1;
  options.devices = 3;
  options.has_faults = false;
  World world(options, metrics);
  world.StartAll();
  for (int device = 0; device < world.device_count(); ++device) {
    world.device(device).habits().answers_for_others = true;
    world.device(device).habits().answer_after = absl::Milliseconds(60);
    world.device(device).GoOnline();
  }
  world.RunFor(absl::Seconds(3));
  for (int round = 0; round < 100; ++round) {
    for (int device = 0; device < world.device_count(); ++device) {
      world.Invoke(device, absl::ZeroDuration(), absl::Seconds(10));
    }
    world.edge(0).BlockSocket(static_cast<size_t>(round), absl::Milliseconds(50));
    world.RunFor(absl::Milliseconds(30));
  }
  world.RunFor(absl::Seconds(15));

  int own = 0;
  int of_others = 0;
  for (const auto& [key, target] : world.history().targets()) {
    for (const Reply& reply : target.replies) {
      const auto is_it = [&](const auto& packet) { return packet.call_id == reply.call_id; };
      const bool is_own = std::any_of(target.writes.begin(), target.writes.end(), is_it);
      ++(is_own ? own : of_others);
      if (!is_own) continue;
      const auto receipt = std::find_if(target.receipts.begin(), target.receipts.end(), is_it);
      ASSERT_NE(receipt, target.receipts.end());
      EXPECT_LE(receipt->at, reply.at);
    }
  }
  EXPECT_GT(own, 100);
  EXPECT_GT(of_others, 100);
  rules::CheckDirect(world);
  for (const Violation& violation : world.history().violations)
    ADD_FAILURE() << violation.rule << ": " << violation.text;
}

}  // namespace
}  // namespace fleetcast::sim
