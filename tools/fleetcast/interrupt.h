// Ctrl-C while a call is open.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace fleetcast::cli {

// Blocks SIGINT and SIGTERM for this thread and those it starts, so that only an InterruptWatch sees them. To be called
// before the first thread starts, that is, before the first connection is made.
void BlockInterrupts();

// Calls `on_interrupt` on a thread of its own when the user interrupts, at most once, until destroyed.
class InterruptWatch {
 public:
  explicit InterruptWatch(std::function<void()> on_interrupt);
  ~InterruptWatch() = default;
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  bool interrupted() const { return interrupted_; }

 private:
  std::atomic<bool> interrupted_ = false;
  std::jthread thread_;
};

}  // namespace fleetcast::cli
