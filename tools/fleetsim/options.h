// The settings of the simulated fleet.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "libs/config/config.h"

namespace fleetcast::fleetsim {

// Flags have the names of the variables in dev.env, so that after `set -a; . .local/dev.env` nothing needs to be said.
struct Options {
  // Where to connect.
  std::string host = "127.0.0.1";
  int mqtts_port = 8883;
  int mqtt_port = 1883;
  bool plain = false;
  std::string ca_file;
  std::string hub_name;  // Empty = host.

  // Who connects.
  int devices = 100;
  std::string prefix = "sim-";
  int first = 1;
  std::string key_file;
  std::string group_key;
  bool registers = false;
  std::string grpc_twins;
  std::string tags;

  // How.
  int connect_rate = 500;  // A second; 0 = as fast as they come.
  int connecting_max = 200;
  bool clean_session = false;
  absl::Duration keep_alive = absl::Minutes(3);
  absl::Duration token_lifetime = absl::Hours(1);

  // What the devices do.
  absl::Duration method_delay;
  double method_fail_share = 0;
  double method_ignore_share = 0;
  std::string method_payload = "{\"ok\":true}";
  bool apply_desired = false;

  // How long, and what is told.
  absl::Duration duration;  // 0 = until SIGTERM.
  std::string log_calls;

  void Declare(config::Settings& settings);
  int port() const { return plain ? mqtt_port : mqtts_port; }
};

}  // namespace fleetcast::fleetsim
