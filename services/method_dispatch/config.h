// Settings of method_dispatch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/config/config.h"

namespace fleetcast::method_dispatch {

struct Config {
  std::vector<std::string> device_connection_addresses;  // One stream is held to each.
  int64_t calls_max = 100'000;                           // Unfinished calls of all kinds.
  int64_t calls_per_device_max = 16;                     // device-mqtt.md 5.1, M15.
  int64_t scheduler_credit = 20'000;                     // Unfinished calls that one scheduler may have here.
  absl::Duration permit = absl::Seconds(1);  // How long a direct call may be on its way to the device's socket.

  void Declare(config::Settings& settings);
};

}  // namespace fleetcast::method_dispatch
