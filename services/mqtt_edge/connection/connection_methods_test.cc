#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/mqtt/topics.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using Kind = CallReport::Kind;
using Reason = CallReport::Reason;

// The only report so far, taken.
CallReport TakeReport(Harness& harness) {
  EXPECT_EQ(harness.hub().reports.size(), 1u);
  if (harness.hub().reports.empty()) return {};
  CallReport report = harness.hub().reports[0];
  harness.hub().reports.clear();
  return report;
}

TEST(MethodTest, IsWrittenReportedAndAnswered) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(0x1f));
  EXPECT_EQ(harness.TakeOutput(), MethodRequest("lockDoor", 0x1f, "{}"));
  const CallReport sent = TakeReport(harness);
  EXPECT_EQ(sent.kind, Kind::kSent);
  EXPECT_EQ(sent.call_id, 0x1fu);
  EXPECT_EQ(sent.epoch, 7);
  EXPECT_EQ(sent.sent_unix_micros, absl::ToUnixMicros(harness.wall()));

  harness.Publish("$iothub/methods/res/200/?$rid=1f", R"({"locked":true})");
  const CallReport answer = TakeReport(harness);
  EXPECT_EQ(answer.kind, Kind::kAnswer);
  EXPECT_EQ(answer.call_id, 0x1fu);
  EXPECT_EQ(answer.device_status, 200);
  EXPECT_EQ(answer.payload, R"({"locked":true})");
  EXPECT_EQ(answer.epoch, 7);
}

TEST(MethodTest, PayloadIsNeverEmpty) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  MethodCall call = harness.NewCall(1);
  call.payload = "";
  harness.Call(call);
  EXPECT_EQ(harness.TakeOutput(), MethodRequest("lockDoor", 1, "null"));
}

TEST(MethodTest, ACallOfAConnectionThatClosedIsNotCalledUnsent) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(0x1f));
  harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  harness.hub().reports.clear();
  harness.Call(harness.NewCall(0x1f));
  EXPECT_TRUE(harness.hub().reports.empty());  // UNKNOWN was said.
  harness.Call(harness.NewCall(0x20));
  ASSERT_EQ(harness.hub().reports.size(), 1u);
  EXPECT_EQ(harness.hub().reports[0].reason, CallReport::Reason::kStaleRoute);
}

TEST(MethodTest, ACallThatEndedIsNotWrittenAgain) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(0x1f));
  harness.Publish("$iothub/methods/res/200/?$rid=1f", "{}");
  harness.TakeOutput();
  harness.hub().reports.clear();
  harness.Call(harness.NewCall(0x1f));
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_TRUE(harness.hub().reports.empty());
  EXPECT_EQ(harness.dropped(Dropped::kDuplicateCall), 1);
}

TEST(MethodTest, TheOldestOfManyEndedCallsIsForgottenFirst) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  const uint64_t first = 0x100;
  const uint64_t last = first + ConnectionLimits().ended_calls_max;
  for (uint64_t id = first; id <= last; ++id) {
    harness.Call(harness.NewCall(id));
    harness.Publish("$iothub/methods/res/200/?$rid=" + mqtt::FormatCallId(id), "{}");
  }
  harness.TakeOutput();
  for (uint64_t id = first + 1; id <= last; ++id) harness.Call(harness.NewCall(id));
  EXPECT_EQ(harness.TakeOutput(), "");
  harness.Call(harness.NewCall(first));
  EXPECT_EQ(harness.TakeOutput(), MethodRequest("lockDoor", first, "{}"));
}

TEST(MethodTest, DMth3WithoutTheSubscriptionIsNotSent) {
  Harness harness;
  harness.ConnectWith(kTwinResponsesBit);
  harness.Call(harness.NewCall(1));
  EXPECT_EQ(harness.TakeOutput(), "");
  const CallReport report = TakeReport(harness);
  EXPECT_EQ(report.kind, Kind::kNotSent);
  EXPECT_EQ(report.reason, Reason::kNotSubscribed);
}

TEST(MethodTest, ExpiredPermitIsProofThatNothingWasSent) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  const MethodCall call = harness.NewCall(1);
  harness.Advance(absl::Seconds(1));
  harness.Call(call);
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_EQ(TakeReport(harness).reason, Reason::kPermitExpired);
}

TEST(MethodTest, OtherEpochIsAStaleRoute) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  MethodCall call = harness.NewCall(1);
  call.epoch = 6;
  harness.Call(call);
  EXPECT_EQ(TakeReport(harness).reason, Reason::kStaleRoute);
}

TEST(MethodTest, BeforeConnackNothingIsSent) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.Call(harness.NewCall(1));
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_EQ(TakeReport(harness).reason, Reason::kStaleRoute);
}

TEST(MethodTest, M15SixteenInFlightThenBusy) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  for (uint64_t id = 1; id <= 16; ++id) harness.Call(harness.NewCall(id));
  harness.hub().reports.clear();
  harness.Call(harness.NewCall(17));
  EXPECT_EQ(TakeReport(harness).reason, Reason::kBusy);
  harness.Publish("$iothub/methods/res/200/?$rid=3", "{}");
  harness.hub().reports.clear();
  harness.Call(harness.NewCall(18));
  EXPECT_EQ(TakeReport(harness).kind, Kind::kSent);
}

TEST(MethodTest, CallsThatNobodyWaitsForMakeRoom) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  for (uint64_t id = 1; id <= 16; ++id) harness.Call(harness.NewCall(id));
  harness.Advance(absl::Seconds(31));
  harness.hub().reports.clear();
  harness.Call(harness.NewCall(17));
  EXPECT_EQ(TakeReport(harness).kind, Kind::kSent);
}

TEST(MethodTest, DMth4ACallIsWrittenAtMostOnce) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(1));
  harness.TakeOutput();
  harness.hub().reports.clear();
  harness.Call(harness.NewCall(1));
  EXPECT_EQ(harness.TakeOutput(), "");
  EXPECT_TRUE(harness.hub().reports.empty());  // SENT was said; NOT_SENT would be a lie.
  EXPECT_EQ(harness.dropped(Dropped::kDuplicateCall), 1);
}

TEST(MethodTest, DMth1SecondLateAndUnknownAnswersAreCounted) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(1));
  harness.Call(harness.NewCall(2));
  harness.Publish("$iothub/methods/res/200/?$rid=1", "{}");
  harness.hub().reports.clear();
  harness.Publish("$iothub/methods/res/200/?$rid=1", "{}");    // M6
  harness.Publish("$iothub/methods/res/200/?$rid=abc", "{}");  // M7
  harness.Publish("$iothub/methods/res/200/?$rid=xyz", "{}");
  harness.Advance(absl::Seconds(31));
  harness.Publish("$iothub/methods/res/200/?$rid=2", "{}");  // M5
  EXPECT_TRUE(harness.hub().reports.empty());
  EXPECT_TRUE(harness.is_open());
  EXPECT_EQ(harness.dropped(Dropped::kLateAnswer), 4);
}

TEST(MethodTest, Q16OversizeAndSenselessAnswersAreNoOutcome) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(1));
  harness.hub().reports.clear();
  harness.Publish("$iothub/methods/res/200/?$rid=1", std::string(128 * 1024 + 1, 'x'));
  harness.Publish("$iothub/methods/res/ok/?$rid=1", "{}");
  EXPECT_TRUE(harness.hub().reports.empty());
  EXPECT_TRUE(harness.is_open());
  EXPECT_EQ(harness.dropped(Dropped::kOversizeAnswer), 1);
  EXPECT_EQ(harness.dropped(Dropped::kSenselessTopic), 1);
  harness.Publish("$iothub/methods/res/-1/?$rid=1", "");
  EXPECT_EQ(TakeReport(harness).device_status, -1);
}

TEST(MethodTest, M8LossAfterTheWriteIsUnknownAtOnce) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(1));
  harness.hub().reports.clear();
  harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  const CallReport report = TakeReport(harness);
  EXPECT_EQ(report.kind, Kind::kConnectionLost);
  EXPECT_EQ(report.call_id, 1u);
}

TEST(MethodTest, M10LossBeforeTheWriteIsNotSent) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(1), 1000);
  EXPECT_EQ(harness.TakeOutput(), "");
  harness.In([](Connection& connection, Turn& turn) { connection.Close(CloseReason::kPeerGone, turn); });
  EXPECT_EQ(TakeReport(harness).reason, Reason::kStaleRoute);
}

TEST(BacklogTest, CallsWaitForTheSocketAndKeepTheirOrder) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.In([](Connection& connection, Turn& turn) { connection.OnBlocked(turn); }, 1000);
  harness.Call(harness.NewCall(1), 1000);
  harness.Call(harness.NewCall(2), 1000);
  EXPECT_TRUE(harness.hub().reports.empty());
  harness.In([](Connection& connection, Turn& turn) { connection.OnDrained(turn); });
  EXPECT_EQ(harness.TakeOutput(), MethodRequest("lockDoor", 1, "{}") + MethodRequest("lockDoor", 2, "{}"));
  EXPECT_EQ(harness.hub().reports.size(), 2u);
}

TEST(BacklogTest, PermitEndsWhileWaiting) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(1), 1000);
  harness.AdvanceWithTimers(absl::Seconds(1));
  EXPECT_EQ(TakeReport(harness).reason, Reason::kPermitExpired);
  harness.In([](Connection& connection, Turn& turn) { connection.OnDrained(turn); });
  EXPECT_EQ(harness.TakeOutput(), "");
}

TEST(BacklogTest, DFl2FullBacklogIsBusy) {
  Harness harness;
  harness.ConnectWith(kMethodsBit);
  harness.Call(harness.NewCall(1), 512 * 1024);
  EXPECT_EQ(TakeReport(harness).reason, Reason::kBusy);
}

TEST(BacklogTest, DFl2TooManyMessagesOrBytesClose) {
  Harness harness;
  harness.ConnectWith(kDesiredBit);
  for (int64_t version = 1; version <= 65 && harness.is_open(); ++version) {
    harness.In([&](Connection& connection, Turn& turn) { connection.OnDesiredChange(7, version, "{}", turn); }, 1);
    EXPECT_EQ(harness.is_open(), version <= 64);
  }
  EXPECT_EQ(harness.close_reason(), CloseReason::kSlow);

  Harness large;
  large.ConnectWith(kDesiredBit);
  large.In([](Connection& connection, Turn& turn) { connection.OnDesiredChange(7, 1, "{}", turn); }, 512 * 1024);
  EXPECT_EQ(large.close_reason(), CloseReason::kSlow);
}

TEST(BacklogTest, DFl2SocketThatTakesNothingFor30SecondsIsGivenUp) {
  Harness harness;
  harness.ConnectWith(0);
  harness.In([](Connection& connection, Turn& turn) { connection.OnBlocked(turn); }, 1000);
  harness.AdvanceWithTimers(absl::Seconds(29));
  EXPECT_TRUE(harness.is_open());
  harness.AdvanceWithTimers(absl::Seconds(2));
  EXPECT_EQ(harness.close_reason(), CloseReason::kSlow);
}

// --- The trace of the Node SDK, packet for packet (device-mqtt.md 9.1) ---

TEST(TraceTest, Node) {
  Harness harness;
  harness.Send(Harness::NodeConnect());  // 2
  harness.Open({mqtt::ConnectCode::kAccepted, 7, 0, false, std::nullopt});
  EXPECT_EQ(harness.TakeOutput(), "\x20\x02\0\0"s);  // 3
  harness.SendBytes("\x82\x1b\x4b\x42\0\x16$iothub/methods/POST/#\0"s +
                    "\x82\x17\x4b\x43\0\x12$iothub/twin/res/#\0"s);  // 4
  harness.SubscriptionsSaved(kMethodsBit | kTwinResponsesBit);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x03\x4b\x42\0\x90\x03\x4b\x43\0"s);  // 5
  const std::string uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
  harness.SendBytes("\x30\x3e\0\x3b$iothub/twin/GET/?$rid="s + uuid + " ");  // 6
  const std::string document = R"({"desired":{"interval":5,"$version":7},"reported":{"$version":3}})";
  harness.TwinRead(uuid, 200, document, 7);
  EXPECT_EQ(harness.TakeOutput(), TwinResponse(200, uuid, std::nullopt, document));  // 7
  std::string bytes = "\x82\x2c\x4b\x44\0\x27$iothub/twin/PATCH/properties/desired/#\0"s;
  mqtt::AppendReportedPatch("9", R"({"fw":"1.1"})", std::nullopt, &bytes);
  harness.SendBytes(bytes);  // 8
  harness.SubscriptionsSaved(kMethodsBit | kTwinResponsesBit | kDesiredBit, 7);
  harness.In([](Connection& connection, Turn& turn) { connection.OnReportedPatched("9", 204, 4, "", turn); });
  EXPECT_EQ(harness.TakeOutput(),
            "\x90\x03\x4b\x44\0\x30\x29\0\x27$iothub/twin/res/204/?$rid=9&$version=4"s);  // 9
  harness.Publish("devices/dev-1/messages/events/%24.mid=m%201&a%20b=c%2Fd%26e%3Df", "t", 1, 0x4b45);
  EXPECT_EQ(harness.TakeOutput(), "\x40\x02\x4b\x45"s);  // 11
  harness.SendBytes("\x82\x29\x4b\x46\0\x24"s + "devices/dev-1/messages/devicebound/#\x01");
  harness.SubscriptionsSaved(0x1f);
  EXPECT_EQ(harness.TakeOutput(), "\x90\x03\x4b\x46\x01"s);  // 12
  MethodCall call = harness.NewCall(1);
  call.payload = R"({"d":3})";
  harness.Call(call);
  EXPECT_EQ(harness.TakeOutput(), "\x30\x2e\0\x25$iothub/methods/POST/lockDoor/?$rid=1{\"d\":3}"s);  // 13
  harness.hub().reports.clear();
  harness.SendBytes("\x30\x30\0\x1f$iothub/methods/res/200/?$rid=1{\"locked\":true}"s);  // 14
  EXPECT_EQ(TakeReport(harness).payload, R"({"locked":true})");
  harness.DesiredChange(8);
  harness.In([](Connection& connection, Turn& turn) {
    connection.OnDesiredChange(7, 9, R"({"interval":9,"$version":9})", turn);
  });
  EXPECT_EQ(
      harness.TakeOutput(),
      DesiredNotification(8) +
          "\x30\x4e\0\x31$iothub/twin/PATCH/properties/desired/?$version=9{\"interval\":9,\"$version\":9}"s);  // 15
  harness.SendBytes("\xc0\0"s);
  EXPECT_EQ(harness.TakeOutput(), "\xd0\0"s);
  harness.SendBytes("\xe0\0"s);  // 16
  EXPECT_EQ(harness.close_reason(), CloseReason::kDisconnect);
}

TEST(TraceTest, NodeRenewsItsTokenAndSubscribesToNothing) {
  Harness harness;
  harness.Send(Harness::NodeConnect());
  harness.Open({mqtt::ConnectCode::kAccepted, 8, kMethodsBit | kTwinResponsesBit | kDesiredBit, true, std::nullopt});
  EXPECT_EQ(harness.TakeOutput(), "\x20\x02\x01\0"s);
  MethodCall call = harness.NewCall(2);
  call.epoch = 8;
  harness.Call(call);
  EXPECT_EQ(harness.TakeOutput(), MethodRequest("lockDoor", 2, "{}"));
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
