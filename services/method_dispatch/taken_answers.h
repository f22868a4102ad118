// What devices that wait for their answer to be taken are told, until it is on its way.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "services/method_dispatch/pending_call.h"

namespace fleetcast::method_dispatch {

// A queue for each stream to a device_connection. While a stream is down, or does not take more, its queue waits;
// beyond kWaitingMax the oldest is dropped: the edge that waits for it gives up at the deadline of its call. Pure; not
// thread-safe.
class TakenAnswers {
 public:
  static constexpr size_t kWaitingMax = 20'000;  // Of one stream: as many calls as one edge takes.

  struct Batch {
    DeliveryIndex delivery = 0;
    std::vector<WaitingAnswer> answers;
  };

  // These answers are taken.
  void Push(const std::vector<WaitingAnswer>& answers);

  void Up(DeliveryIndex delivery);
  void Down(DeliveryIndex delivery);

  // The next to send, at most `count_max` of one stream that is up; or none.
  std::optional<Batch> Next(size_t count_max);
  // The stream did not take the batch: it is tried again with the next answer that is pushed, or when it is up again.
  void PutBack(Batch batch);

  // Whether Next has something.
  bool has_work() const;
  // How many were dropped; only grows.
  int64_t dropped() const { return dropped_; }

 private:
  struct Queue {
    bool up = false;
    bool stalled = false;
    std::deque<WaitingAnswer> answers;
    bool has_work() const { return up && !stalled && !answers.empty(); }
  };

  Queue& Of(DeliveryIndex delivery);

  std::vector<Queue> queues_;  // By stream.
  int64_t dropped_ = 0;
};

}  // namespace fleetcast::method_dispatch
