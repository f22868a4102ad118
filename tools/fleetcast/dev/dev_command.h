// `fleetcast dev`: a whole Fleetcast on this machine.
#pragma once

#include <string>

#include "tools/fleetcast/dev/stack.h"

namespace fleetcast::dev {

struct DevOptions {
  StackOptions stack;
  std::string env_file = ".local/dev.env";
  bool fresh = false;   // Wipe the data first.
  bool detach = false;  // Return when everything runs.
};

// Runs a stack until a signal stops it (or, detached, until it is ready). Returns the exit code of the program. Must be
// called before the process has threads.
int RunDev(DevOptions options);

// Stops the stack of `env_file`, if one runs, and waits until it is gone. Returns the exit code of the program.
int StopDev(const std::string& env_file);

}  // namespace fleetcast::dev
