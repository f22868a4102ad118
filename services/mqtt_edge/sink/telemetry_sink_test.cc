#include "services/mqtt_edge/sink/telemetry_sink.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/wait_for.h"
#include "services/mqtt_edge/connection/session_id.h"

namespace fleetcast::mqtt_edge {
namespace {

using fleetcast::testing::WaitFor;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

// A Redis that takes what it is sent, or not. Thread-safe.
class FakeRedis final : public redis::Runner {
 public:
  using Runner::Run;
  absl::StatusOr<std::vector<redis::Reply>> Run(const redis::Pipeline& pipeline, absl::Duration) override {
    MutexLock lock(mutex_);
    std::vector<std::string> commands;
    bool has_entries = false;
    for (const auto& command : pipeline.commands()) {
      commands.push_back(absl::StrJoin(command.arguments, " "));
      has_entries = has_entries || command.arguments[0] == "XADD";
    }
    pipelines_.push_back(std::move(commands));
    if (!is_up_) return absl::UnavailableError("down");
    // The answer is lost, not the entries.
    if (has_entries && answers_to_lose_ > 0 && answers_to_lose_-- > 0) return absl::DeadlineExceededError("slow");
    return std::vector<redis::Reply>(pipeline.size());
  }

  void SetUp(bool is_up) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    is_up_ = is_up;
  }
  void LoseAnswers(int count) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    answers_to_lose_ = count;
  }
  std::vector<std::vector<std::string>> pipelines() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return pipelines_;
  }

 private:
  mutable Mutex mutex_;
  bool is_up_ GUARDED_BY(mutex_) = true;
  int answers_to_lose_ GUARDED_BY(mutex_) = 0;
  std::vector<std::vector<std::string>> pipelines_ GUARDED_BY(mutex_);
};

class TelemetrySinkThreadTest : public ::testing::Test {
 protected:
  TelemetrySinkThreadTest() { Create({.stream = "s", .stream_entries_max = 100}); }

  void Create(TelemetrySink::Options options) {
    auto redis = std::make_unique<FakeRedis>();
    redis_ = redis.get();
    const auto deliver = [this](int loop, TelemetryDelivery delivery) {
      MutexLock lock(mutex_);
      delivered_ += delivery.messages;
      deliveries_.emplace_back(loop, std::move(delivery));
    };
    sink_ = std::make_unique<TelemetrySink>(std::move(redis), std::move(options), deliver, metrics_, SystemClock());
  }
  static TelemetryRecord Record(std::string payload, SessionId session = 1, bool waits = false) {
    TelemetryRecord record;
    record.session = session;
    record.waits = waits;
    record.received = SystemClock().Monotonic();
    record.time = absl::UnixEpoch();
    record.client_id = "d";
    record.payload = std::move(payload);
    return record;
  }
  size_t delivered() {
    MutexLock lock(mutex_);
    return delivered_;
  }
  std::vector<std::pair<int, TelemetryDelivery>> deliveries() {
    MutexLock lock(mutex_);
    return deliveries_;
  }
  // The bodies that were sent, pipeline by pipeline, of those with any.
  std::vector<std::string> SentBodies() {
    std::vector<std::string> sent;
    for (const auto& pipeline : redis_->pipelines()) {
      std::vector<std::string> bodies;
      for (const std::string& command : pipeline) {
        const size_t body = command.find(" body ");
        if (body != std::string::npos) bodies.push_back(command.substr(body + 6));
      }
      if (!bodies.empty()) sent.push_back(absl::StrJoin(bodies, ","));
    }
    return sent;
  }

  telemetry::Metrics registry_;
  EdgeMetrics metrics_{registry_};
  Mutex mutex_;
  size_t delivered_ GUARDED_BY(mutex_) = 0;
  std::vector<std::pair<int, TelemetryDelivery>> deliveries_ GUARDED_BY(mutex_);
  FakeRedis* redis_ = nullptr;
  std::unique_ptr<TelemetrySink> sink_;
};

TEST_F(TelemetrySinkThreadTest, ABatchIsOneTransaction) {
  sink_->Submit({Record("a"), Record("b")});
  sink_->Start();
  ASSERT_TRUE(WaitFor([&] { return delivered() == 2; }));
  EXPECT_THAT(
      redis_->pipelines(),
      ElementsAre(
          ElementsAre("MULTI", "EXEC"),
          ElementsAre("MULTI", "XADD s MAXLEN ~ 100 * device_id d enqueued_time 1970-01-01T00:00:00.000Z body a",
                      "XADD s MAXLEN ~ 100 * device_id d enqueued_time 1970-01-01T00:00:00.000Z body b", "EXEC")));
  EXPECT_EQ(metrics_.telemetry_delivered.value(), 2);
}

TEST_F(TelemetrySinkThreadTest, WithoutABoundTheStreamIsNeverCut) {
  Create({.stream = "s", .stream_entries_max = 0});
  sink_->Submit({Record("a")});
  sink_->Start();
  ASSERT_TRUE(WaitFor([&] { return delivered() == 1; }));
  EXPECT_EQ(redis_->pipelines().back()[1], "XADD s * device_id d enqueued_time 1970-01-01T00:00:00.000Z body a");
}

TEST_F(TelemetrySinkThreadTest, EachLoopHearsOfItsOwnSessions) {
  const SessionId first = MakeSessionId(1, 1, 0);
  const SessionId second = MakeSessionId(2, 2, 0);
  const SessionId other = MakeSessionId(3, 1, 1);
  const std::vector<TelemetryRecord> records = {Record("a", first, true),   Record("b", first, true),
                                                Record("c", second, false), Record("d", other, true),
                                                Record("e", second, true),  Record("f", first, true)};
  size_t bytes = 0;
  for (const TelemetryRecord& record : records) bytes += record.bytes();
  sink_->Submit(records);
  sink_->Start();
  ASSERT_TRUE(WaitFor([&] { return delivered() == 6; }));
  const auto heard = deliveries();
  ASSERT_THAT(heard, SizeIs(2));
  EXPECT_EQ(heard[0].first, 0);
  EXPECT_EQ(heard[0].second.messages, 5u);
  EXPECT_THAT(heard[0].second.waiting, ElementsAre(Pair(first, 2u), Pair(second, 1u), Pair(first, 1u)));
  EXPECT_EQ(heard[1].first, 1);
  EXPECT_THAT(heard[1].second.waiting, ElementsAre(Pair(other, 1u)));
  EXPECT_EQ(heard[0].second.bytes + heard[1].second.bytes, bytes);
}

TEST_F(TelemetrySinkThreadTest, WhileRedisIsAwayMessagesWaitInTheirOrder) {
  redis_->SetUp(false);
  sink_->Start();
  sink_->Submit({Record("a")});
  ASSERT_TRUE(WaitFor([&] { return redis_->pipelines().size() >= 2; }));
  sink_->Submit({Record("b")});
  EXPECT_THAT(SentBodies(), IsEmpty());  // Only the probe.
  EXPECT_EQ(delivered(), 0u);
  EXPECT_GE(metrics_.telemetry_failures.value(), 1);
  redis_->SetUp(true);
  ASSERT_TRUE(WaitFor([&] { return delivered() == 2; }));
  EXPECT_THAT(SentBodies(), ElementsAre("a", "b"));
}

TEST_F(TelemetrySinkThreadTest, ABatchWhoseAnswerIsLostIsSentAgain) {
  redis_->LoseAnswers(1);
  sink_->Submit({Record("a"), Record("b")});
  sink_->Start();
  ASSERT_TRUE(WaitFor([&] { return delivered() == 2; }));
  EXPECT_THAT(SentBodies(), ElementsAre("a,b", "a,b"));
  EXPECT_THAT(deliveries(), SizeIs(1));
}

TEST_F(TelemetrySinkThreadTest, BatchesAreBounded) {
  std::vector<TelemetryRecord> many;
  for (size_t i = 0; i < 2 * TelemetrySink::kBatchMessagesMax + 1; ++i) many.push_back(Record("x"));
  const std::string large(TelemetrySink::kBatchBytesMax, 'l');
  many.push_back(Record(large));
  many.push_back(Record("y"));
  sink_->Submit(std::move(many));
  sink_->Start();
  ASSERT_TRUE(WaitFor([&] { return delivered() == 2 * TelemetrySink::kBatchMessagesMax + 3; }));
  std::vector<size_t> sizes;
  for (const auto& pipeline : redis_->pipelines()) sizes.push_back(pipeline.size() - 2);
  EXPECT_THAT(sizes, ElementsAre(0, TelemetrySink::kBatchMessagesMax, TelemetrySink::kBatchMessagesMax, 2, 1));
}

TEST_F(TelemetrySinkThreadTest, TheEndDeliversWhatIsLeft) {
  sink_->Start();
  for (int i = 0; i < 1'000; ++i) sink_->Submit({Record("x")});
  sink_->Shutdown(absl::Seconds(10));
  EXPECT_EQ(delivered(), 1'000u);
}

TEST_F(TelemetrySinkThreadTest, TheEndDropsAndCountsWhatRedisDoesNotTake) {
  redis_->SetUp(false);
  sink_->Submit({Record("a"), Record("b")});
  sink_->Start();
  ASSERT_TRUE(WaitFor([&] { return !redis_->pipelines().empty(); }));
  sink_->Submit({Record("c")});
  sink_->Shutdown(absl::Milliseconds(1));
  EXPECT_EQ(delivered(), 0u);
  EXPECT_EQ(metrics_.dropped[static_cast<int>(Dropped::kTelemetryOverflow)].value(), 3);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
