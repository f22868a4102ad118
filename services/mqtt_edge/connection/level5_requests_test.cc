// A connection at MQTT 5: twin requests, method requests, and devices that take little.
// Tests that are named after a number are statements of Appendix B of its standard.
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"
#include "services/mqtt_edge/connection/level5_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

TEST(Level5TwinTest, Mqtt5_3_3_2_15And16ResponseTopicAndCorrelationDataComeBack) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kTwinResponsesBit);
  harness.Send(
      mqtt::Publish{.topic = "$iothub/twin/GET/?$rid=1",
                    .properties = {.response_topic = "my/topic", .correlation_data = std::string_view("\0x", 2)}});
  harness.TwinRead("1", 200, "{}", 3);
  const auto answer = harness.Take5<mqtt::Publish>();
  EXPECT_EQ(answer.topic, "$iothub/twin/res/200/?$rid=1");
  EXPECT_EQ(answer.payload, "{}");
  EXPECT_EQ(answer.properties.response_topic, "my/topic");
  EXPECT_EQ(answer.properties.correlation_data, std::string_view("\0x", 2));
  harness.Send(mqtt::Publish{.topic = "$iothub/twin/PATCH/properties/reported/?$rid=2",
                             .payload = "{}",
                             .properties = {.correlation_data = "c"}});
  harness.In([](Connection& connection, Turn& turn) { connection.OnReportedPatched("2", 204, 4, "", turn); });
  const auto patched = harness.Take5<mqtt::Publish>();
  EXPECT_EQ(patched.topic, "$iothub/twin/res/204/?$rid=2&$version=4");
  EXPECT_EQ(patched.properties.correlation_data, "c");
  EXPECT_FALSE(patched.properties.response_topic.has_value());
}

TEST(Level5TwinTest, LongCorrelationDataIsAnError) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kTwinResponsesBit);
  const std::string data(257, 'x');
  harness.Send(mqtt::Publish{.topic = "$iothub/twin/GET/?$rid=1", .properties = {.correlation_data = data}});
  EXPECT_EQ(harness.Take5<mqtt::Publish>().topic, "$iothub/twin/res/400/?$rid=1");
  EXPECT_TRUE(harness.hub().reads.empty());
}

TEST(Level5MethodTest, RequestsCarryTheTimeThatIsLeft) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Call(harness.NewCall(1));
  const auto request = harness.Take5<mqtt::Publish>();
  EXPECT_EQ(request.topic, "$iothub/methods/POST/lockDoor/?$rid=1");
  EXPECT_EQ(request.qos, 0);
  EXPECT_EQ(request.properties.message_expiry_seconds, 30u);
}

TEST(Level5MethodTest, Mqtt5_3_3_2_6TheTimeThatARequestWaitedIsTakenOff) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  MethodCall call = harness.NewCall(1);
  call.permit_expire = harness.wall() + absl::Seconds(20);
  harness.Call(call, 1000);  // The socket is full.
  harness.Advance(absl::Milliseconds(9500));
  harness.In([](Connection& connection, Turn& turn) { connection.OnDrained(turn); });
  EXPECT_EQ(harness.Take5<mqtt::Publish>().properties.message_expiry_seconds, 21u);
}

TEST(Level5MethodTest, Mqtt5_3_3_2_5AnExpiredRequestIsNotSent) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5(), kMethodsBit);
  harness.Call(harness.NewCall(1), 1000);
  harness.AdvanceWithTimers(absl::Seconds(2));
  harness.In([](Connection& connection, Turn& turn) { connection.OnDrained(turn); });
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(Level5MethodTest, Mqtt5_3_1_2_27NoTopicAliasesAreSent) {
  Harness harness;
  mqtt::Connect connect = Harness::Connect5();
  connect.properties.topic_alias_maximum = 10;
  harness.ConnectWith5(connect, kMethodsBit | kDesiredBit);
  harness.Call(harness.NewCall(1));
  EXPECT_FALSE(harness.Take5<mqtt::Publish>().properties.topic_alias.has_value());
  harness.DesiredChange(1);
  EXPECT_FALSE(harness.Take5<mqtt::Publish>().properties.topic_alias.has_value());
}

mqtt::Connect SmallConnect5() {
  mqtt::Connect connect = Harness::Connect5();
  connect.properties.packet_bytes_max = 256;
  return connect;
}

TEST(Level5SizeTest, Mqtt5_3_1_2_24MethodRequestsThatAreTooLargeAreNotSent) {
  Harness harness;
  harness.ConnectWith5(SmallConnect5(), kMethodsBit);
  MethodCall call = harness.NewCall(1);
  const std::string payload(256, '1');
  call.payload = payload;
  harness.Call(call);
  EXPECT_EQ(harness.TakeOutput(), "");
  ASSERT_EQ(harness.hub().reports.size(), 1u);
  EXPECT_EQ(harness.hub().reports[0].kind, CallReport::Kind::kNotSent);
  EXPECT_EQ(harness.hub().reports[0].reason, CallReport::Reason::kTooLarge);
  // To the byte.
  call.call_id = 2;
  call.payload = "";
  harness.Call(call);
  const size_t empty_size = harness.TakeOutput().size() - std::string_view("null").size();
  const std::string largest(256 - empty_size - 1, '1');  // One more byte for the remaining length.
  call.call_id = 3;
  call.payload = largest;
  harness.Call(call);
  EXPECT_EQ(harness.TakeOutput().size(), 256u);
}

TEST(Level5SizeTest, Mqtt5_3_1_2_25LargeChangesAreDroppedAsIfTheyHadBeenSent) {
  Harness harness;
  harness.ConnectWith5(SmallConnect5(), kDesiredBit);
  const std::string patch(300, ' ');
  harness.In([&](Connection& connection, Turn& turn) { connection.OnDesiredChange(7, 1, patch, turn); });
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_EQ(harness.dropped(Dropped::kOversizePacket), 1);
  harness.DesiredChange(2);
  EXPECT_EQ(harness.Take5<mqtt::Publish>().topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
}

TEST(Level5SizeTest, ATwinThatIsTooLargeIsAnsweredWith413) {
  Harness harness;
  harness.ConnectWith5(SmallConnect5(), kTwinResponsesBit);
  harness.Publish("$iothub/twin/GET/?$rid=1", "");
  harness.TwinRead("1", 200, std::string(300, ' '), 1);
  EXPECT_EQ(harness.Take5<mqtt::Publish>().topic, "$iothub/twin/res/413/?$rid=1");
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
