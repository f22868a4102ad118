// How an edge empties (D-ST-1, reliability.md 7.12): at its end, and when an operator wants it.
#include <algorithm>
#include <thread>
#include <vector>

#include "libs/mqtt/messages.h"
#include "services/mqtt_edge/testing/edge_fixture.h"

namespace fleetcast::mqtt_edge {
namespace {

using fleetcast::testing::WaitFor;
using ::testing::HasSubstr;

class EdgeDrainTest : public EdgeTest {
 protected:
  // A device with a call that it has not answered.
  TestDevice ConnectBusy(const std::string& device_id, uint64_t call_id) {
    TestDevice device = ConnectDevice(device_id);
    hub_.Call(device_id, call_id, "lockDoor", "null");
    EXPECT_THAT(device.ReadMessage().topic, HasSubstr("lockDoor"));
    return device;
  }
  static void Answer(TestDevice& device, uint64_t call_id) {
    std::string answer;
    mqtt::AppendMethodResponse(200, mqtt::FormatCallId(call_id), "{}", std::nullopt, &answer);
    device.SendBytes(answer);
  }
  void Order(const std::function<void(pb::DrainEdge&)>& change) {
    pb::AttachResponse message;
    change(*message.mutable_drain());
    hub_.Send(std::move(message));
  }
  bool AwaitState(pb::EdgeStatus::State state) {
    return WaitFor([&] { return hub_.status().state() == state; });
  }
  bool HasReport(pb::CallReport::EventCase kind) {
    const std::vector<pb::CallReport> reports = hub_.reports();
    return std::any_of(reports.begin(), reports.end(), [&](const auto& report) { return report.event_case() == kind; });
  }
};

TEST_F(EdgeDrainTest, TheEndWaitsForCallsThenClosesEverything) {
  StartEdge();
  TestDevice idle = ConnectDevice("dev-1");
  TestDevice busy = ConnectBusy("dev-2", 1);
  std::jthread drain([&] { edge_->Drain({}); });
  EXPECT_TRUE(idle.WaitForClose());
  // Each loop closes its listeners in its own turn.
  EXPECT_TRUE(WaitFor([&] { return !NewDevice(Mode::kPlain).is_connected(); }));
  Answer(busy, 1);
  EXPECT_TRUE(busy.WaitForClose());
  drain.join();
  EXPECT_EQ(edge_->open_connections(), 0);
  EXPECT_TRUE(WaitFor([&] { return HasReport(pb::CallReport::kAnswer); }));
  EXPECT_TRUE(WaitFor([&] { return hub_.closed().size() == 2; }));
  EXPECT_GE(Metric("fleetcast_edge_disconnects_total{reason=\"draining\"}"), 2);
  EXPECT_EQ(Metric("fleetcast_edge_draining"), 1);
  EXPECT_EQ(Metric("fleetcast_edge_sessions"), 0);
}

TEST_F(EdgeDrainTest, ACallThatIsNotAnsweredHoldsItNoLongerThanItsLimit) {
  StartEdge([](Config& config) { config.call_drain = absl::Milliseconds(50); });
  TestDevice busy = ConnectBusy("dev-1", 1);
  edge_->Drain({});
  EXPECT_TRUE(busy.WaitForClose());
  EXPECT_EQ(edge_->open_connections(), 0);
  EXPECT_TRUE(WaitFor([&] { return HasReport(pb::CallReport::kUnknown); }));
}

TEST_F(EdgeDrainTest, WhoIsInAHurryWaitsForNothing) {
  StartEdge([](Config& config) { config.call_drain = absl::Minutes(5); });
  TestDevice busy = ConnectBusy("dev-1", 1);
  std::stop_source hurry;
  std::jthread drain([&] { edge_->Drain(hurry.get_token()); });
  hurry.request_stop();
  EXPECT_TRUE(busy.WaitForClose());
  drain.join();
  EXPECT_EQ(edge_->open_connections(), 0);
  EXPECT_TRUE(WaitFor([&] { return HasReport(pb::CallReport::kUnknown); }));
}

TEST_F(EdgeDrainTest, AnOperatorEmptiesItAndTheProcessStays) {
  StartEdge();
  TestDevice idle = ConnectDevice("dev-1");
  TestDevice busy = ConnectBusy("dev-2", 1);
  ASSERT_TRUE(WaitFor([&] { return is_ready_.load(); }));
  Order([](pb::DrainEdge&) {});
  EXPECT_TRUE(idle.WaitForClose());
  EXPECT_TRUE(AwaitState(pb::EdgeStatus::STATE_DRAINING));
  EXPECT_FALSE(is_ready_);
  EXPECT_TRUE(WaitFor([&] { return hub_.status().sessions() == 1; }));
  Answer(busy, 1);
  EXPECT_TRUE(busy.WaitForClose());
  EXPECT_TRUE(AwaitState(pb::EdgeStatus::STATE_DRAINED));
  // A hub that comes back does not make it ready again.
  hub_.GoAway();
  hub_.ComeBack();
  const int heartbeats = hub_.heartbeats();
  ASSERT_TRUE(WaitFor([&] { return hub_.heartbeats() > heartbeats; }));
  EXPECT_EQ(hub_.status().state(), pb::EdgeStatus::STATE_DRAINED);
  EXPECT_FALSE(is_ready_);
  edge_->Drain({});
}

TEST_F(EdgeDrainTest, ItGoesOnTakingDevicesForTheDelay) {
  drain_delay_ = absl::Hours(1);
  StartEdge();
  TestDevice before = ConnectDevice("dev-1");
  Order([](pb::DrainEdge&) {});
  ASSERT_TRUE(AwaitState(pb::EdgeStatus::STATE_DRAINING));
  EXPECT_FALSE(is_ready_);
  TestDevice meanwhile = ConnectDevice("dev-2");
  EXPECT_TRUE(before.Send(mqtt::Pingreq{}));
  EXPECT_EQ(before.ReadPacket(), std::string("\xd0\0", 2));
  edge_->Drain({});  // The end does not wait for it: the process has.
  EXPECT_TRUE(before.WaitForClose());
  EXPECT_TRUE(meanwhile.WaitForClose());
}

TEST_F(EdgeDrainTest, AnOperatorSaysThePaceAndChangesIt) {
  StartEdge([](Config& config) { config.loops = 1; });
  std::vector<TestDevice> devices;
  for (int i = 0; i < 4; ++i) devices.push_back(ConnectDevice("dev-" + std::to_string(i)));
  Order([](pb::DrainEdge& order) { order.set_closes_per_second(0.01); });
  EXPECT_TRUE(WaitFor([&] { return hub_.status().connections() == 3; }));  // The next one in 100 seconds.
  Order([](pb::DrainEdge&) {});                                            // Changes nothing.
  Order([](pb::DrainEdge& order) { order.set_close_over_millis(0); });
  for (TestDevice& device : devices) EXPECT_TRUE(device.WaitForClose());
  EXPECT_TRUE(AwaitState(pb::EdgeStatus::STATE_DRAINED));
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
