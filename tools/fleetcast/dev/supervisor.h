// Starts the processes of a development stack in order, keeps them running, and stops them in order.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "tools/fleetcast/dev/child.h"

namespace fleetcast::dev {

// When a child that died is started again: at once the first time, then later and later; a child that lived long enough
// begins anew. Pure.
class RestartPolicy {
 public:
  static constexpr absl::Duration kFirst = absl::Milliseconds(100);
  static constexpr absl::Duration kMost = absl::Seconds(10);
  static constexpr absl::Duration kForgiven = absl::Seconds(30);

  // How long to wait after a life of `lived`.
  absl::Duration AfterDeath(absl::Duration lived);

 private:
  int deaths_ = 0;
};

// One stack's processes. Owns signal handling while it lives: SIGCHLD, SIGINT, SIGTERM and SIGHUP are blocked from the
// constructor on (make it before any thread starts) and read here. Used by the main thread only.
class Supervisor {
 public:
  struct Events {
    std::function<void(std::string_view)> say;                   // A line for people.
    std::function<absl::Status(const std::string& name)> ready;  // A child serves for the first time.
    std::function<void()> pids_changed;
  };

  Supervisor(Clock& clock, Events events);
  // Stops what still runs.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Starts each child and waits until it is ready before the next. CANCELLED when a stop signal came; else an error
  // with the end of the child's log. What runs by then stays until Stop.
  absl::Status Start(std::vector<ChildSpec> children);

  // Restarts children that die, until a stop signal comes.
  void Run();

  // Stops all in reverse order. A second stop signal kills what is left.
  void Stop();

  // Running children in start order.
  std::vector<std::pair<std::string, pid_t>> pids() const;

 private:
  struct Child {
    ChildSpec spec;
    pid_t pid = 0;  // 0: does not run.
    absl::Duration started;
    absl::Duration restart_at = absl::InfiniteDuration();
    RestartPolicy policy;
    int exit_status = 0;
  };

  // Waits at most `limit` for a signal, and takes note of children that ended.
  void WaitForSignal(absl::Duration limit);
  void Reap();
  absl::Status StartChild(Child& child);
  void RestartDue();
  void StopChild(Child& child);

  Clock& clock_;
  const Events events_;
  int signal_fd_ = -1;
  int stop_signals_ = 0;
  bool keep_running_ = false;  // Between Start and Stop: children that end are started again.
  std::vector<Child> children_;
};

}  // namespace fleetcast::dev
