// What the rules say about a made-up history.
#include "tests/sim/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fleetcast::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kDevice = 3;
constexpr uint64_t kCall = 300;  // Its answers have status 200.
constexpr uint64_t kConnection = 7;

class AnswerRulesTest : public ::testing::Test {
 protected:
  // A direct call to the device that was written at 1 s and came to it at 1.1 s; its caller heard "yes".
  AnswerRulesTest() {
    DirectHistory& direct = world_.history().directs[kFirstDirect];
    direct.device = kDevice;
    direct.started = absl::Seconds(1);
    direct.limit = absl::Seconds(10);
    direct.ended = absl::Seconds(2);
    direct.was_answered = true;
    direct.payload = "yes";
    TargetHistory& target = world_.history().Target(kFirstDirect, kDevice);
    target.writes.push_back({absl::Seconds(1), kCall, kConnection});
    target.receipts.push_back({absl::Milliseconds(1'100), kCall, kConnection});
  }

  void Answer(int device, absl::Duration at, uint64_t connection) {
    world_.history().Target(kFirstDirect, device).replies.push_back({at, kCall, connection, 200, "yes"});
  }

  // The rules that were broken.
  std::vector<std::string> Broken() {
    rules::CheckDirect(world_);
    std::vector<std::string> broken;
    for (const Violation& violation : world_.history().violations) broken.push_back(violation.rule);
    return broken;
  }

 private:
  SimMetrics metrics_;
  World world_{{}, metrics_};
};

TEST_F(AnswerRulesTest, TheDevicesOwnAnswerIsTheOutcome) {
  Answer(kDevice, absl::Milliseconds(1'200), kConnection);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(AnswerRulesTest, AnAnswerOfAnotherDeviceIsNot) {
  Answer(kDevice + 1, absl::Milliseconds(1'200), kConnection + 1);
  EXPECT_THAT(Broken(), ElementsAre("M3"));
}

TEST_F(AnswerRulesTest, AnAnswerThatWasSentBeforeTheRequestCameIsNot) {
  Answer(kDevice, absl::Milliseconds(1'050), kConnection);
  EXPECT_THAT(Broken(), ElementsAre("M3"));
}

TEST_F(AnswerRulesTest, AnAnswerOnAnotherConnectionIsNot) {
  Answer(kDevice, absl::Milliseconds(1'200), kConnection + 1);
  EXPECT_THAT(Broken(), ElementsAre("M4"));
}

}  // namespace
}  // namespace fleetcast::sim
