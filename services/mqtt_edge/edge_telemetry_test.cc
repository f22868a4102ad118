// Telemetry from real sockets into a real Redis stream: at least once, in order, and without harm to anybody else.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/redis/client.h"
#include "libs/testing/private_redis.h"
#include "libs/testing/wait_for.h"
#include "services/mqtt_edge/connection/connection_harness.h"
#include "services/mqtt_edge/testing/edge_fixture.h"

namespace fleetcast::mqtt_edge {
namespace {

using fleetcast::testing::PrivateRedis;
using fleetcast::testing::WaitFor;
using ::testing::ElementsAre;
using ::testing::StartsWith;

constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr char kStream[] = "fleetcast:telemetry";

// A payload that tells its number.
constexpr size_t kLargeBytes = 16 << 10;
std::string Large(int number) {
  std::string payload = absl::StrCat(number, " ");
  payload.resize(kLargeBytes, 'x');
  return payload;
}

// An edge whose telemetry goes to a Redis of its own.
class EdgeTelemetryTest : public EdgeTest {
 protected:
  void StartEdgeWithRedis(int64_t queue_bytes = 64 << 20) {
    StartEdge([&](Config& config) {
      config.telemetry_redis = redis_.address();
      config.telemetry_queue_bytes = queue_bytes;
    });
  }
  // Another connection of the test's own; each has its own opinion of whether Redis is there.
  std::unique_ptr<redis::Client> NewAdmin() {
    return *redis::Client::Create({.address = redis_.address(), .connections = 1}, SystemClock());
  }
  // Commands that write wait from now on: Redis is slow.
  void PauseRedis() { ASSERT_TRUE(NewAdmin()->Run({"CLIENT", "PAUSE", "600000", "WRITE"}, kTimeout).ok()); }
  void ResumeRedis() { ASSERT_TRUE(NewAdmin()->Run({"CLIENT", "UNPAUSE"}, kTimeout).ok()); }

  // The fields of every entry, in the order of the stream.
  std::vector<std::map<std::string, std::string>> Entries() {
    const auto reply = NewAdmin()->Run({"XRANGE", kStream, "-", "+"}, kTimeout);
    EXPECT_TRUE(reply.ok()) << reply.status();
    std::vector<std::map<std::string, std::string>> entries;
    if (!reply.ok()) return entries;
    for (const redis::Reply& entry : reply->elements) {
      const std::vector<redis::Reply>& fields = entry.elements[1].elements;
      auto& values = entries.emplace_back();
      for (size_t i = 0; i + 1 < fields.size(); i += 2) values[fields[i].text] = fields[i + 1].text;
    }
    return entries;
  }
  // Without repeats: each body where it came first.
  std::vector<std::string> Bodies() {
    std::vector<std::string> bodies;
    std::set<std::string> seen;
    for (auto& entry : Entries()) {
      if (seen.insert(entry["body"]).second) bodies.push_back(entry["body"]);
    }
    return bodies;
  }
  static void Publish(TestDevice& device, const std::string& device_id, std::string_view payload, uint16_t packet_id) {
    const std::string topic = absl::StrCat("devices/", device_id, "/messages/events/");
    device.Send(mqtt::Publish{.qos = static_cast<uint8_t>(packet_id > 0 ? 1 : 0),
                              .packet_id = packet_id,
                              .topic = topic,
                              .payload = payload});
  }

  PrivateRedis redis_{PrivateRedis::Memory::kDurable};
};

TEST_F(EdgeTelemetryTest, AMessageIsAnEntryOfTheStream) {
  StartEdgeWithRedis();
  TestDevice device = ConnectDevice("dev-1", Mode::kTls);
  const std::string payload("\0\xff{}", 4);
  device.Send(mqtt::Publish{.qos = 1,
                            .packet_id = 7,
                            .topic = "devices/dev-1/messages/events/%24.ct=application%2Fjson&a%20b=c%26d",
                            .payload = payload});
  EXPECT_EQ(device.ReadPacket(), PubackOf(7));
  auto entries = Entries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0]["device_id"], "dev-1");
  EXPECT_EQ(entries[0]["body"], payload);
  EXPECT_EQ(entries[0]["$.ct"], "application/json");
  EXPECT_EQ(entries[0]["app.a b"], "c&d");
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, entries[0]["enqueued_time"], &time, &error)) << error;
  EXPECT_LT(absl::AbsDuration(absl::Now() - time), absl::Minutes(1));
  EXPECT_EQ(Metric("fleetcast_edge_telemetry_received_total"), 1);
  EXPECT_EQ(Metric("fleetcast_edge_telemetry_delivered_total"), 1);
  EXPECT_EQ(Metric("fleetcast_edge_dropped_total{kind=\"telemetry\"}"), 0);
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_telemetry_waiting_bytes") == 0; }));
}

TEST_F(EdgeTelemetryTest, WithoutASinkItIsAcknowledgedAndDropped) {
  StartEdge();
  TestDevice device = ConnectDevice("dev-1");
  Publish(device, "dev-1", "x", 7);
  EXPECT_EQ(device.ReadPacket(), PubackOf(7));
  EXPECT_EQ(Metric("fleetcast_edge_dropped_total{kind=\"telemetry\"}"), 1);
  EXPECT_EQ(Metric("fleetcast_edge_telemetry_received_total"), 1);
  EXPECT_EQ(Metric("fleetcast_edge_telemetry_delivered_total"), 0);
}

TEST_F(EdgeTelemetryTest, Mqtt4_6_0_2PubacksComeAfterDeliveryInTheOrderOfThePackets) {
  StartEdgeWithRedis();
  TestDevice device = ConnectDevice("dev-1");
  PauseRedis();
  std::vector<std::string> sent;
  for (uint16_t id = 1; id <= 10; ++id) {
    sent.push_back(absl::StrCat("m", id));
    Publish(device, "dev-1", sent.back(), id);
  }
  device.Send(mqtt::Pingreq{});
  EXPECT_EQ(device.ReadPacket(), BytesOf(mqtt::Pingresp{}));  // Ahead of all PUBACKs: none was due.
  ResumeRedis();
  for (uint16_t id = 1; id <= 10; ++id) EXPECT_EQ(device.ReadPacket(), PubackOf(id));
  EXPECT_EQ(Bodies(), sent);
}

// Whatever a device has a PUBACK for is in the stream, also when Redis dies in between; and the device notices nothing.
TEST_F(EdgeTelemetryTest, AtLeastOnceOverARestartOfRedis) {
  StartEdgeWithRedis();
  TestDevice device = ConnectDevice("dev-1");
  constexpr uint16_t kMessages = 100;
  constexpr uint16_t kWindow = 8;
  std::vector<std::string> sent;
  for (uint16_t id = 1; id <= kMessages + kWindow; ++id) {
    const bool is_killed = id == kMessages / 3 || id == kMessages / 2;
    if (is_killed) redis_.Kill();  // Whatever it has of the window.
    if (id <= kMessages) {
      sent.push_back(absl::StrCat("m", id));
      Publish(device, "dev-1", sent.back(), id);
    }
    if (is_killed) {
      const double failures = Metric("fleetcast_edge_telemetry_failures_total");
      ASSERT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_telemetry_failures_total") > failures; }));
      redis_.Start();
    }
    if (id > kWindow) {
      ASSERT_EQ(device.ReadPacket(), PubackOf(static_cast<uint16_t>(id - kWindow)));
    }
  }
  EXPECT_EQ(Bodies(), sent);  // In their order, too.
}

// While Redis is slow, whoever sends too much is not read from; memory stays bounded, and nobody else notices.
TEST_F(EdgeTelemetryTest, AFullSinkPausesTheSenderAndNobodyElse) {
  constexpr int64_t kQueueBytes = 256 << 10;  // Of two loops: half of it each.
  constexpr int kMessages = 100;
  StartEdgeWithRedis(kQueueBytes);
  TestDevice flooder = ConnectDevice("flooder");
  TestDevice other = ConnectDevice("other");
  PauseRedis();
  std::jthread sender([&] {
    for (int i = 0; i < kMessages; ++i) Publish(flooder, "flooder", Large(i), 0);
  });
  ASSERT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_telemetry_paused_connections") == 1; }));
  EXPECT_LT(Metric("fleetcast_edge_telemetry_waiting_bytes"), kQueueBytes / 2 + 2 * kLargeBytes);

  // Methods and twins of another device go on.
  hub_.Call("other", 5, "lockDoor", "{}");
  EXPECT_THAT(other.ReadMessage().topic, StartsWith("$iothub/methods/POST/lockDoor/"));
  std::string answer;
  mqtt::AppendMethodResponse(200, "5", "{}", std::nullopt, &answer);
  other.SendBytes(answer);
  const auto is_answered = [&] {
    const std::vector<pb::CallReport> reports = hub_.reports();
    return std::any_of(reports.begin(), reports.end(),
                       [](const pb::CallReport& report) { return report.has_answer(); });
  };
  EXPECT_TRUE(WaitFor(is_answered));
  other.Send(mqtt::Publish{.topic = "$iothub/twin/GET/?$rid=r", .payload = ""});
  EXPECT_THAT(other.ReadMessage().topic, StartsWith("$iothub/twin/res/200/"));
  EXPECT_EQ(Metric("fleetcast_edge_telemetry_delivered_total"), 0);

  ResumeRedis();
  sender.join();
  ASSERT_TRUE(
      WaitFor([&] { return Metric("fleetcast_edge_telemetry_delivered_total") == kMessages; }, absl::Seconds(30)));
  EXPECT_TRUE(WaitFor([&] {
    return Metric("fleetcast_edge_telemetry_paused_connections") == 0 &&
           Metric("fleetcast_edge_telemetry_waiting") == 0;
  }));
  EXPECT_EQ(Metric("fleetcast_edge_dropped_total{kind=\"telemetry_overflow\"}"), 0);
  std::vector<std::string> expected;
  for (int i = 0; i < kMessages; ++i) expected.push_back(Large(i));
  EXPECT_TRUE(Bodies() == expected);
}

TEST_F(EdgeTelemetryTest, ADrainDeliversWhatWaits) {
  StartEdgeWithRedis();
  TestDevice device = ConnectDevice("dev-1");
  PauseRedis();
  Publish(device, "dev-1", "at 1", 1);
  Publish(device, "dev-1", "at 0", 0);
  ASSERT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_telemetry_waiting") == 2; }));
  std::jthread drain([this] {
    edge_->Drain({});
    edge_->Stop();
  });
  EXPECT_TRUE(WaitFor([&] { return !NewDevice(Mode::kPlain).is_connected(); }));  // It is under way.
  ResumeRedis();
  EXPECT_EQ(device.ReadPacket(), PubackOf(1));
  EXPECT_TRUE(device.WaitForClose());
  drain.join();
  EXPECT_THAT(Bodies(), ElementsAre("at 1", "at 0"));
}

// The stream's key is taken by something else: nothing is acknowledged, and when that is put right, all goes on.
TEST_F(EdgeTelemetryTest, AKeyThatIsNoStreamIsWaitedFor) {
  ASSERT_TRUE(NewAdmin()->Run({"SET", kStream, "x"}, kTimeout).ok());
  StartEdgeWithRedis();
  TestDevice device = ConnectDevice("dev-1");
  Publish(device, "dev-1", "x", 1);
  ASSERT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_telemetry_failures_total") >= 1; }));
  device.Send(mqtt::Pingreq{});
  EXPECT_EQ(device.ReadPacket(), BytesOf(mqtt::Pingresp{}));
  ASSERT_TRUE(NewAdmin()->Run({"DEL", kStream}, kTimeout).ok());
  EXPECT_EQ(device.ReadPacket(), PubackOf(1));
  EXPECT_THAT(Bodies(), ElementsAre("x"));
}

// Redis refuses writes for lack of memory: as if it were away, and no half batches are left behind.
TEST_F(EdgeTelemetryTest, AFullRedisLosesAndDoublesNothing) {
  ASSERT_TRUE(NewAdmin()->Run({"CONFIG", "SET", "maxmemory", "1"}, kTimeout).ok());
  StartEdgeWithRedis();
  TestDevice device = ConnectDevice("dev-1");
  for (uint16_t id = 1; id <= 5; ++id) Publish(device, "dev-1", absl::StrCat("m", id), id);
  ASSERT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_telemetry_failures_total") >= 2; }));
  ASSERT_TRUE(NewAdmin()->Run({"CONFIG", "SET", "maxmemory", "0"}, kTimeout).ok());
  for (uint16_t id = 1; id <= 5; ++id) EXPECT_EQ(device.ReadPacket(), PubackOf(id));
  EXPECT_THAT(Bodies(), ElementsAre("m1", "m2", "m3", "m4", "m5"));
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
