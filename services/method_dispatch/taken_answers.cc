#include "services/method_dispatch/taken_answers.h"

#include <algorithm>
#include <utility>

namespace fleetcast::method_dispatch {

TakenAnswers::Queue& TakenAnswers::Of(DeliveryIndex delivery) {
  if (queues_.size() <= delivery) queues_.resize(delivery + 1);
  return queues_[delivery];
}

void TakenAnswers::Push(const std::vector<WaitingAnswer>& answers) {
  for (const WaitingAnswer& answer : answers) {
    Queue& queue = Of(answer.delivery);
    queue.stalled = false;
    if (queue.answers.size() >= kWaitingMax) {
      queue.answers.pop_front();
      ++dropped_;
    }
    queue.answers.push_back(answer);
  }
}

void TakenAnswers::Up(DeliveryIndex delivery) {
  Queue& queue = Of(delivery);
  queue.up = true;
  queue.stalled = false;
}

void TakenAnswers::Down(DeliveryIndex delivery) { Of(delivery).up = false; }

std::optional<TakenAnswers::Batch> TakenAnswers::Next(size_t count_max) {
  for (DeliveryIndex delivery = 0; delivery < queues_.size(); ++delivery) {
    Queue& queue = queues_[delivery];
    if (!queue.has_work()) continue;
    const auto end = queue.answers.begin() + static_cast<std::ptrdiff_t>(std::min(queue.answers.size(), count_max));
    Batch batch = {delivery, {queue.answers.begin(), end}};
    queue.answers.erase(queue.answers.begin(), end);
    return batch;
  }
  return std::nullopt;
}

void TakenAnswers::PutBack(Batch batch) {
  Queue& queue = Of(batch.delivery);
  queue.answers.insert(queue.answers.begin(), batch.answers.begin(), batch.answers.end());
  queue.stalled = true;
}

bool TakenAnswers::has_work() const {
  return std::any_of(queues_.begin(), queues_.end(), [](const Queue& queue) { return queue.has_work(); });
}

}  // namespace fleetcast::method_dispatch
