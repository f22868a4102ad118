// Trace contexts over MQTT 5: user properties of method requests and of twin requests (device-mqtt.md 7.3).
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr std::string_view kOther = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00";

using Properties = std::vector<std::pair<std::string_view, std::string_view>>;

class TraceContextTest : public ::testing::Test {
 protected:
  void Connect(std::optional<uint32_t> packet_bytes_max = std::nullopt) {
    mqtt::Connect connect = Harness::Connect5();
    connect.properties.packet_bytes_max = packet_bytes_max;
    harness_.ConnectWith5(connect, kMethodsBit | kTwinResponsesBit);
  }
  void Publish(std::string_view topic, std::string_view payload, const Properties& user) {
    std::string encoded;
    for (const auto& [name, value] : user) mqtt::AppendUserProperty(name, value, &encoded);
    harness_.Send(
        mqtt::Publish{.topic = topic, .payload = payload, .properties = {.user = mqtt::UserProperties(encoded)}});
  }
  // What the hub is told with the read of a twin that came with these user properties.
  std::string TraceOfRead(const Properties& user) {
    Publish("$iothub/twin/GET/?$rid=a", "", user);
    const std::string told = harness_.hub().read_traceparents.back();
    harness_.TwinRead("a", 200, "{}", 1);
    harness_.TakeOutput();
    return told;
  }
  MethodCall TracedCall() {
    MethodCall call = harness_.NewCall(1);
    call.traceparent = kTrace;
    return call;
  }

  Harness harness_;
};

TEST_F(TraceContextTest, AMethodRequestCarriesThatOfItsCaller) {
  Connect();
  harness_.Call(TracedCall());
  const auto request = harness_.Take5<mqtt::Publish>();
  EXPECT_EQ(request.properties.user.Find("traceparent"), kTrace);
  EXPECT_EQ(request.payload, "{}");
}

TEST_F(TraceContextTest, AlsoWhenItHadToWait) {
  Connect();
  harness_.Call(TracedCall(), /*backlog_bytes=*/1000);
  harness_.In([](Connection& connection, Turn& turn) { connection.OnDrained(turn); });
  EXPECT_EQ(harness_.Take5<mqtt::Publish>().properties.user.Find("traceparent"), kTrace);
}

TEST_F(TraceContextTest, ACallWithoutOneHasNoUserProperty) {
  Connect();
  harness_.Call(harness_.NewCall(1));
  EXPECT_TRUE(harness_.Take5<mqtt::Publish>().properties.user.empty());
}

TEST_F(TraceContextTest, NothingOfItReachesADeviceOf311) {
  harness_.ConnectWith(kMethodsBit);
  harness_.Call(TracedCall());
  EXPECT_EQ(harness_.TakeOutput(), MethodRequest("lockDoor", 1, "{}"));
}

TEST_F(TraceContextTest, ACallIsWorthMoreThanItsTrace) {
  Connect(128);
  MethodCall call = TracedCall();
  const std::string payload = "\"" + std::string(50, 'x') + "\"";  // Fits without, and not with it.
  call.payload = payload;
  harness_.Call(call);
  const auto request = harness_.Take5<mqtt::Publish>();
  EXPECT_TRUE(request.properties.user.empty());
  EXPECT_EQ(request.properties.message_expiry_seconds, 30u);
  EXPECT_EQ(request.payload, payload);
  EXPECT_EQ(harness_.dropped(Dropped::kOversizePacket), 0);
}

TEST_F(TraceContextTest, ThatOfATwinReadGoesToTheHub) {
  Connect();
  EXPECT_EQ(TraceOfRead({{"other", "x"}, {"traceparent", kTrace}, {"tracestate", "a=b"}}), kTrace);
  EXPECT_EQ(TraceOfRead({}), "");
}

TEST_F(TraceContextTest, ThatOfAReportedPatchGoesToTheHub) {
  Connect();
  Publish("$iothub/twin/PATCH/properties/reported/?$rid=1", "{}", {{"traceparent", kTrace}});
  ASSERT_EQ(harness_.hub().patches.size(), 1u);
  EXPECT_EQ(harness_.hub().patches[0].traceparent, kTrace);
}

TEST_F(TraceContextTest, OneThatIsMalformedCountsAsNone) {
  Connect();
  for (const std::string_view bad : {"", "x", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                     "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"}) {
    EXPECT_EQ(TraceOfRead({{"traceparent", bad}}), "") << bad;
  }
  EXPECT_EQ(TraceOfRead({{"Traceparent", kTrace}}), "");
}

TEST_F(TraceContextTest, TwoCountAsNone) {
  Connect();
  EXPECT_EQ(TraceOfRead({{"traceparent", kTrace}, {"traceparent", kOther}}), "");
  EXPECT_EQ(TraceOfRead({{"traceparent", kTrace}, {"traceparent", kTrace}}), "");
}

TEST_F(TraceContextTest, OneOfALaterVersionIsCutToWhatIsKnown) {
  Connect();
  EXPECT_EQ(TraceOfRead({{"traceparent", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"}}), kTrace);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
