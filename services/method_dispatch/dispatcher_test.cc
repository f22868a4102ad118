#include "services/method_dispatch/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::method_dispatch {
namespace {

using ::fleetcast::testing::WaitFor;
using ::testing::ElementsAre;

// Gathers what is sent, as the stream to a device_connection or to a scheduler.
template <typename Outlet, typename Message>
class Gathering : public Outlet {
 public:
  bool TrySend(Message message) override {
    MutexLock lock(mutex_);
    messages_.push_back(std::move(message));
    return true;
  }
  std::vector<Message> messages() const {
    MutexLock lock(mutex_);
    return messages_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<Message> messages_ GUARDED_BY(mutex_);
};

class FakeDelivery final : public Gathering<DeliveryOutlet, pb::DeliverRequest> {
 public:
  std::vector<pb::DeliverCall> calls() const {
    std::vector<pb::DeliverCall> calls;
    for (const pb::DeliverRequest& request : messages()) {
      calls.insert(calls.end(), request.calls().begin(), request.calls().end());
    }
    return calls;
  }
  std::vector<std::string> device_ids() const {
    std::vector<std::string> ids;
    for (const pb::DeliverCall& call : calls()) ids.push_back(call.device_id());
    return ids;
  }
  // Call id and session.
  std::vector<std::pair<uint64_t, uint64_t>> taken() const {
    std::vector<std::pair<uint64_t, uint64_t>> taken;
    for (const pb::DeliverRequest& request : messages()) {
      for (const pb::TakenAnswer& answer : request.taken_answers())
        taken.emplace_back(answer.call_id(), answer.session());
    }
    return taken;
  }
};

class FakeScheduler final : public Gathering<SchedulerOutlet, pb::DispatchResponse> {
 public:
  void Close() override {}
  std::vector<pb::JobCallEvent> events() const {
    std::vector<pb::JobCallEvent> events;
    for (const pb::DispatchResponse& response : messages()) {
      events.insert(events.end(), response.events().begin(), response.events().end());
    }
    return events;
  }
};

// Calls of one job on devices "d<position>".
pb::DispatchRequest JobCalls(int64_t first, int64_t last, absl::Duration permit = absl::Seconds(10)) {
  pb::DispatchRequest request;
  pb::JobCallBatch* batch = request.add_batches();
  batch->set_job_seq(1);
  batch->set_method("ask");
  batch->set_payload("null");
  batch->set_response_timeout_micros(30'000'000);
  batch->set_permit_expire_unix_micros(absl::ToUnixMicros(absl::Now() + permit));
  for (int64_t position = first; position <= last; ++position) {
    pb::JobCallTarget* target = batch->add_targets();
    target->set_position(position);
    target->set_device_id("d" + std::to_string(position));
  }
  return request;
}

pb::DeliverResponse Credit(int64_t credit) {
  pb::DeliverResponse response;
  response.set_credit(credit);
  return response;
}

pb::DeliverResponse AnswerTo(const std::vector<pb::DeliverCall>& calls) {
  pb::DeliverResponse response;
  for (const pb::DeliverCall& call : calls) {
    pb::DeliverEvent* event = response.add_events();
    event->set_call_id(call.call_id());
    event->mutable_answer()->set_device_status(200);
  }
  return response;
}

class DispatcherTest : public ::testing::Test {
 protected:
  telemetry::Metrics metrics_;
  FakeDelivery delivery_;
  std::shared_ptr<FakeScheduler> scheduler_ = std::make_shared<FakeScheduler>();
  Dispatcher dispatcher_{{}, 1'000, SystemClock(), metrics_};
  const size_t index_ = dispatcher_.AddDelivery(&delivery_);
  const SchedulerStream stream_ = dispatcher_.AddScheduler(scheduler_);
};

TEST_F(DispatcherTest, SendsAsFarAsThereIsCreditAndTheRestWhenCallsEnd) {
  dispatcher_.OnDeliveryUp(index_);
  dispatcher_.OnDeliveryMessage(index_, Credit(2));
  dispatcher_.OnSchedulerMessage(stream_, JobCalls(1, 3));
  EXPECT_THAT(delivery_.device_ids(), ElementsAre("d1", "d2"));
  dispatcher_.OnDeliveryMessage(index_, AnswerTo({delivery_.calls()[0]}));
  EXPECT_THAT(delivery_.device_ids(), ElementsAre("d1", "d2", "d3"));
  EXPECT_EQ(scheduler_->events().size(), 1u);
}

TEST_F(DispatcherTest, CallsThatWaitTooLongForCreditAreNotSent) {
  dispatcher_.OnDeliveryUp(index_);
  dispatcher_.OnDeliveryMessage(index_, Credit(1));
  dispatcher_.OnSchedulerMessage(stream_, JobCalls(1, 1));  // Has the only credit.
  dispatcher_.OnSchedulerMessage(stream_, JobCalls(2, 2, absl::Milliseconds(150)));
  ASSERT_TRUE(WaitFor([&] { return !scheduler_->events().empty(); }));
  const pb::JobCallEvent event = scheduler_->events()[0];
  EXPECT_EQ(event.key().position(), 2);
  EXPECT_TRUE(event.has_not_sent());
  EXPECT_THAT(delivery_.device_ids(), ElementsAre("d1"));
}

TEST_F(DispatcherTest, WithoutAnyStreamNothingIsSent) {
  dispatcher_.OnSchedulerMessage(stream_, JobCalls(1, 1));
  ASSERT_EQ(scheduler_->events().size(), 1u);
  EXPECT_EQ(scheduler_->events()[0].not_sent().reason(), pb::NOT_SENT_REASON_OVERLOADED);
}

TEST_F(DispatcherTest, TellsThatAnAnswerIsTakenOnceItIsRecorded) {
  dispatcher_.OnDeliveryUp(index_);
  dispatcher_.OnSchedulerMessage(stream_, JobCalls(1, 1));
  ASSERT_EQ(delivery_.calls().size(), 1u);
  pb::DeliverResponse answer = AnswerTo(delivery_.calls());
  answer.mutable_events(0)->mutable_answer()->set_waiting_session(7);
  dispatcher_.OnDeliveryMessage(index_, std::move(answer));
  EXPECT_THAT(delivery_.taken(), ElementsAre());
  dispatcher_.OnDeliveryDown(index_);
  pb::DispatchRequest recorded;
  *recorded.add_acknowledge() = scheduler_->events()[0].key();
  dispatcher_.OnSchedulerMessage(stream_, recorded);
  EXPECT_THAT(delivery_.taken(), ElementsAre());  // The way back is down.
  dispatcher_.OnDeliveryUp(index_);
  EXPECT_THAT(delivery_.taken(), ElementsAre(std::pair(delivery_.calls()[0].call_id(), uint64_t{7})));
}

TEST_F(DispatcherTest, ManyThreadsAtOnceLoseNoCallAndSendNoneTwice) {
  dispatcher_.OnDeliveryUp(index_);
  dispatcher_.OnDeliveryMessage(index_, Credit(3));
  constexpr int64_t kCalls = 400;
  std::jthread source([&] {
    for (int64_t i = 0; i < kCalls; i += 4) dispatcher_.OnSchedulerMessage(stream_, JobCalls(i, i + 3));
  });
  std::jthread device([&](std::stop_token stop) {
    size_t answered = 0;
    while (!stop.stop_requested() && answered < kCalls) {
      const std::vector<pb::DeliverCall> calls = delivery_.calls();
      const std::vector<pb::DeliverCall> fresh(calls.begin() + static_cast<ptrdiff_t>(answered), calls.end());
      answered = calls.size();
      dispatcher_.OnDeliveryMessage(index_, AnswerTo(fresh));
    }
  });
  ASSERT_TRUE(WaitFor([&] { return scheduler_->events().size() == kCalls; }));
  std::set<int64_t> answered;
  for (const pb::JobCallEvent& event : scheduler_->events()) {
    EXPECT_TRUE(event.has_answer());
    answered.insert(event.key().position());
  }
  EXPECT_EQ(answered.size(), static_cast<size_t>(kCalls));
  EXPECT_EQ(delivery_.calls().size(), static_cast<size_t>(kCalls));
}

}  // namespace
}  // namespace fleetcast::method_dispatch
