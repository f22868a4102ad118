// A fixed number of threads with a bounded queue in front.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "libs/base/bounded_queue.h"

namespace fleetcast {

// Runs submitted work in order of submission on `threads` threads. The destructor finishes what was queued,
// then joins. Thread-safe.
class WorkerPool {
 public:
  // `threads` >= 1; at most `queue_limit` pieces of work wait.
  WorkerPool(int threads, size_t queue_limit);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Queues `work`. False when the queue is full: the caller answers RESOURCE_EXHAUSTED; never waits.
  bool TrySubmit(std::function<void()> work);

  // How many pieces of work wait.
  size_t depth() const { return queue_.size(); }

 private:
  void Run(std::stop_token stop);

  BoundedQueue<std::function<void()>> queue_;
  std::vector<std::jthread> threads_;
};

}  // namespace fleetcast
