#include "services/mqtt_edge/sink/telemetry_outbox.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fleetcast::mqtt_edge {
namespace {

using ::testing::SizeIs;

constexpr size_t kLimit = 10'000;

class TelemetryOutboxTest : public ::testing::Test {
 protected:
  SinkAnswer Add(SessionId session, size_t payload_size) {
    const std::string payload(payload_size, 'p');
    const mqtt::PublishProperties none;
    return outbox_.Add(session, "dev-1",
                       {.now = {}, .time = {}, .properties = "a=b", .payload = payload, .waits = true, .level5 = none});
  }
  // Delivers the first `count` of what was taken from the outbox.
  void Deliver(size_t count) {
    TelemetryDelivery delivery;
    for (size_t i = 0; i < count; ++i) delivery.bytes += handed_over_[i].bytes();
    delivery.messages = count;
    handed_over_.erase(handed_over_.begin(), handed_over_.begin() + static_cast<std::ptrdiff_t>(count));
    outbox_.OnDelivered(delivery);
  }
  void Take() {
    for (TelemetryRecord& record : outbox_.Take()) handed_over_.push_back(std::move(record));
  }

  telemetry::Metrics registry_;
  EdgeMetrics metrics_{registry_};
  TelemetryOutbox outbox_{kLimit, metrics_};
  std::vector<TelemetryRecord> handed_over_;
};

TEST_F(TelemetryOutboxTest, WithoutASinkItTakesNothing) {
  TelemetryOutbox off(0, metrics_);
  const mqtt::PublishProperties none;
  EXPECT_EQ(off.Add(1, "dev-1", {.now = {}, .time = {}, .properties = "", .payload = "x", .level5 = none}),
            SinkAnswer::kNoSink);
  EXPECT_FALSE(off.has_gathered());
}

TEST_F(TelemetryOutboxTest, GathersInOrderAndCopies) {
  EXPECT_EQ(Add(7, 3), SinkAnswer::kTaken);
  EXPECT_EQ(Add(8, 4), SinkAnswer::kTaken);
  ASSERT_TRUE(outbox_.has_gathered());
  Take();
  EXPECT_FALSE(outbox_.has_gathered());
  ASSERT_THAT(handed_over_, SizeIs(2));
  EXPECT_EQ(handed_over_[0].session, 7u);
  EXPECT_EQ(handed_over_[0].payload, "ppp");
  EXPECT_EQ(handed_over_[0].properties, "a=b");
  EXPECT_EQ(handed_over_[1].session, 8u);
  EXPECT_EQ(metrics_.telemetry_waiting.value(), 2);
  EXPECT_EQ(metrics_.telemetry_waiting_bytes.value(), handed_over_[0].bytes() + handed_over_[1].bytes());
}

TEST_F(TelemetryOutboxTest, WhoeverFillsItIsPausedUntilSomethingIsDelivered) {
  EXPECT_EQ(Add(1, kLimit / 2), SinkAnswer::kTaken);
  EXPECT_EQ(Add(2, kLimit / 2), SinkAnswer::kTakenLast);
  EXPECT_EQ(Add(3, 10), SinkAnswer::kTakenLast);
  Take();
  EXPECT_FALSE(outbox_.can_resume());
  Deliver(1);
  ASSERT_TRUE(outbox_.can_resume());
  EXPECT_EQ(outbox_.TakePaused(), 2u);  // For longest.
  EXPECT_EQ(outbox_.TakePaused(), 3u);
  EXPECT_FALSE(outbox_.can_resume());
  Deliver(2);
  EXPECT_EQ(metrics_.telemetry_waiting.value(), 0);
  EXPECT_EQ(metrics_.telemetry_waiting_bytes.value(), 0);
}

TEST_F(TelemetryOutboxTest, AtTwiceTheLimitNothingIsTaken) {
  while (Add(1, 1'000) != SinkAnswer::kRefused) {
  }
  Take();
  size_t bytes = 0;
  for (const TelemetryRecord& record : handed_over_) bytes += record.bytes();
  EXPECT_GE(bytes, 2 * kLimit);
  EXPECT_LT(bytes, 2 * kLimit + 2'000);
  Deliver(2);
  EXPECT_NE(Add(1, 1'000), SinkAnswer::kRefused);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
