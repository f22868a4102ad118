// One child process of the supervisor: how it is started, watched and stopped.
#pragma once

#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/fleetcast/dev/unprivileged.h"

namespace fleetcast::dev {

// What to run.
struct ChildSpec {
  std::string name;                                              // As in FLEETCAST_PIDS.
  std::vector<std::string> command;                              // Program (a path) and arguments.
  std::vector<std::pair<std::string, std::string>> environment;  // Added to ours. May hold secrets; never shown.
  std::string log_file;                                          // Gets standard output and error, appended.
  std::optional<UserIds> user;                                   // Whom it runs as; unset = as we do.
  int stop_signal = SIGTERM;                                     // Asks for an orderly end.
  int orphan_signal = SIGKILL;                                   // What the kernel sends when this process dies.
  absl::Duration patience = absl::Seconds(10);                   // After stop_signal, before SIGKILL.
  std::function<bool()> is_ready;                                // Whether it serves; quick (at most some 100 ms).
};

// Starts the child in a process group of its own, so that Ctrl-C reaches only this process and the supervisor stops its
// children in order. Must be called on the main thread: the orphan signal is tied to the thread that forks. UNAVAILABLE
// when the program cannot be started.
absl::StatusOr<pid_t> Spawn(const ChildSpec& spec);

// Runs a program to its end and returns what it printed. FAILED_PRECONDITION with that output when it failed.
absl::StatusOr<std::string> RunToEnd(const ChildSpec& spec);

// "signal 9 (Killed)" or "exit code 78".
std::string DescribeExit(int wait_status);

// The last `lines` lines of a file; empty when it cannot be read.
std::string TailOf(const std::string& file, int lines);

}  // namespace fleetcast::dev
