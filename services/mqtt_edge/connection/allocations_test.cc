// The packet path takes no memory: in the steady state of a connection nothing is allocated, whatever the device sends.
#include <cstdlib>
#include <new>
#include <string>

#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace {

thread_local int64_t allocations = 0;

void* Allocate(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// All of this program's.
void* operator new(std::size_t size) { return Allocate(size); }
void* operator new[](std::size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace fleetcast::mqtt_edge {
namespace {

constexpr int kRounds = 1'000;
constexpr std::string_view kTelemetry = "devices/dev-1/messages/events/level=high";

// Allocations of `kRounds` times `action(n)`, after enough of them that every buffer has its size.
template <typename Action>
int64_t AllocationsOf(Action action) {
  uint64_t number = 1;
  for (int i = 0; i < 100; ++i) action(number++);
  const int64_t before = allocations;
  for (int i = 0; i < kRounds; ++i) action(number++);
  return allocations - before;
}

// A connected device whose output and reports go nowhere.
class AllocationsTest : public testing::Test {
 protected:
  AllocationsTest() { harness_.ConnectWith(kMethodsBit); }

  void Send(std::string_view bytes) {
    harness_.Advance(absl::Milliseconds(10));  // As fast as a device may be for ever.
    harness_.SendBytes(bytes);
    Forget();
  }
  void Forget() {
    harness_.ForgetOutput();
    harness_.hub().reports.clear();
    ASSERT_TRUE(harness_.is_open());
  }

  Harness harness_;
};

TEST_F(AllocationsTest, TheyAreCounted) {
  EXPECT_EQ(AllocationsOf([](uint64_t) { std::string(100, 'x'); }), kRounds);
}

TEST_F(AllocationsTest, PingTakesNone) {
  const std::string ping = BytesOf(mqtt::Pingreq{});
  EXPECT_EQ(AllocationsOf([&](uint64_t) { Send(ping); }), 0);
}

TEST_F(AllocationsTest, TelemetryTakesNone) {
  for (const uint8_t qos : {uint8_t{0}, uint8_t{1}}) {
    const std::string publish = BytesOf(
        mqtt::Publish{.qos = qos, .packet_id = 7, .topic = kTelemetry, .payload = "a payload that fits in no string"});
    EXPECT_EQ(AllocationsOf([&](uint64_t) { Send(publish); }), 0) << "QoS " << static_cast<int>(qos);
  }
}

TEST_F(AllocationsTest, AMethodCallTakesNoneButForTheAnswerThatIsReported) {
  std::string answer;
  const auto call_and_answer = [&](std::string_view payload) {
    return AllocationsOf([&](uint64_t call_id) {
      harness_.Call(harness_.NewCall(call_id));
      answer.clear();
      char topic[64];
      snprintf(topic, sizeof(topic), "$iothub/methods/res/200/?$rid=%lx", static_cast<unsigned long>(call_id));
      mqtt::Encode(mqtt::Publish{.topic = topic, .payload = payload}, &answer);
      Send(answer);
    });
  };
  EXPECT_EQ(call_and_answer(R"({"ok":true})"), 0);
  EXPECT_EQ(call_and_answer(R"({"ok":true,"a":"payload that fits in no string"})"), kRounds);
}

// The same at level 5, with properties, user properties and a topic alias.
TEST(Level5AllocationsTest, PacketsTakeNone) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  const auto send = [&harness](std::string_view bytes) {
    harness.Advance(absl::Milliseconds(10));
    harness.SendBytes(bytes);
    harness.ForgetOutput();
    harness.hub().reports.clear();
    ASSERT_TRUE(harness.is_open());
  };
  std::string user;
  mqtt::AppendUserProperty("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &user);
  for (const std::string_view topic : {kTelemetry, std::string_view()}) {
    std::string publish;
    mqtt::Encode(mqtt::Publish{.qos = 1,
                               .packet_id = 7,
                               .topic = topic,
                               .payload = "a payload that fits in no string",
                               .properties = {.is_text = true,
                                              .topic_alias = 1,
                                              .content_type = "application/json; charset=utf-8",
                                              .user = mqtt::UserProperties(user)}},
                 &publish, mqtt::kLevel5);
    EXPECT_EQ(AllocationsOf([&](uint64_t) { send(publish); }), 0) << topic;
  }
  std::string answer;
  EXPECT_EQ(AllocationsOf([&](uint64_t call_id) {
              harness.Call(harness.NewCall(call_id));
              answer.clear();
              char topic[64];
              snprintf(topic, sizeof(topic), "$iothub/methods/res/200/?$rid=%lx", static_cast<unsigned long>(call_id));
              mqtt::Encode(mqtt::Publish{.topic = topic, .payload = R"({"ok":true})"}, &answer, mqtt::kLevel5);
              send(answer);
            }),
            0);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
