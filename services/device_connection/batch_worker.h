// Threads that turn whatever has gathered into batches: under load batches grow, at rest nothing waits.
#pragma once

#include <functional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/bounded_queue.h"

namespace fleetcast::device_connection {

// Runs `handle` on batches of what was submitted. With one thread, in order of submission. The destructor drops what
// waits and joins. Thread-safe.
template <typename T>
class BatchWorker {
 public:
  struct Options {
    int threads = 1;
    size_t queue_max = 100'000;
    size_t batch_max = 1000;
  };
  using Handle = std::function<void(std::vector<T> batch)>;

  BatchWorker(const Options& options, Handle handle)
      : queue_(options.queue_max), batch_max_(options.batch_max), handle_(std::move(handle)) {
    for (int i = 0; i < options.threads; ++i) {
      threads_.emplace_back([this](std::stop_token stop) { Run(stop); });
    }
  }

  // False when the queue is full; never waits.
  bool TrySubmit(T value) { return queue_.TryPush(std::move(value)); }

  size_t depth() const { return queue_.size(); }

 private:
  void Run(std::stop_token stop) {
    while (!stop.stop_requested()) {
      std::vector<T> batch = queue_.PopMany(batch_max_, absl::Minutes(1), stop);
      if (!batch.empty() && !stop.stop_requested()) handle_(std::move(batch));
    }
  }

  BoundedQueue<T> queue_;
  const size_t batch_max_;
  const Handle handle_;
  std::vector<std::jthread> threads_;  // Last: they use all above.
};

}  // namespace fleetcast::device_connection
