// The settings of the simulated fleet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/config/config.h"

namespace fleetcast::fleetsim {

// Flags have the names of the variables in dev.env, so that after `set -a; . .local/dev.env` nothing needs to be said.
struct Options {
  // Where to connect.
  std::string host = "127.0.0.1";
  int mqtts_port = 8883;
  int mqtt_port = 1883;
  std::vector<std::string> mqtts_ports;  // Of several edges; empty = the one above.
  std::vector<std::string> mqtt_ports;
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
  int rounds = 1;
  bool resume_tls = false;
  bool clean_session = false;
  absl::Duration keep_alive = absl::Minutes(3);
  absl::Duration token_lifetime = absl::Hours(1);
  absl::Duration reconnect_limit = absl::Seconds(30);
  absl::Duration reconnect_every;  // 0 = never without a reason.

  // What the devices do.
  absl::Duration method_delay;
  absl::Duration method_delay_max;  // Uniform between the two when larger.
  double method_fail_share = 0;
  double method_ignore_share = 0;
  double answer_twice_share = 0;
  double lie_share = 0;
  std::string method_payload = "{\"ok\":true}";
  bool stamp_answers = false;
  bool apply_desired = false;
  bool report_without_pause = false;

  // How long, and what is told.
  absl::Duration duration;  // 0 = until SIGTERM.
  std::string log_calls;
  std::string log_packets;

  void Declare(config::Settings& settings);
  // Where to connect: at least one port.
  std::vector<int> Ports() const;
};

}  // namespace fleetcast::fleetsim
