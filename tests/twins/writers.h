// 32 writers and some readers at work on a few twins.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/twins/client.h"
#include "tests/twins/recorder.h"

namespace fleetcast::twin_history {

// Starts them; the destructor or Stop ends them. Each writes as fast as it is answered; while the service is away it
// waits for it.
class Writers {
 public:
  static constexpr int kWriters = 32;
  static constexpr int kReaders = 2;

  Writers(std::string address, std::vector<std::string> devices, Recorder& recorder);
  ~Writers() { Stop(); }

  // Ends all of them. What was under way is answered first or stays unknown.
  void Stop();

 private:
  class Thread;

  std::string address_;
  std::vector<std::string> devices_;
  Recorder& recorder_;
  std::atomic<bool> is_over_ = false;
  std::atomic<int64_t> next_token_ = 1;
  std::vector<std::atomic<int64_t>> epochs_;  // The newest session of each device.
  std::vector<std::thread> threads_;
};

}  // namespace fleetcast::twin_history
