#include "libs/base/worker_pool.h"

namespace fleetcast {

WorkerPool::WorkerPool(int threads, size_t queue_limit) : queue_(queue_limit) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this](std::stop_token stop) { Run(stop); });
  }
}

WorkerPool::~WorkerPool() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

bool WorkerPool::TrySubmit(std::function<void()> work) { return queue_.TryPush(std::move(work)); }

void WorkerPool::Run(std::stop_token stop) {
  while (true) {
    std::optional<std::function<void()>> work = queue_.Pop(absl::Hours(1), stop);
    if (work.has_value()) {
      (*work)();
    } else if (stop.stop_requested()) {
      return;
    }
  }
}

}  // namespace fleetcast
