// Free TCP ports on one address.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/random.h"

namespace fleetcast::dev {

// Whether this process could listen on host:port right now.
bool CanListen(const std::string& host, int port);

// Hands out each port once. A port that nobody asked for by number comes from below the range that the kernel uses for
// outgoing connections: a service that is restarted finds its port free, however many clients the machine runs.
class PortPicker {
 public:
  // `host` is a numeric IPv4 address of this machine.
  PortPicker(std::string host, Random& random);

  // The first of `wanted` that is free, else any free one. UNAVAILABLE when none is found.
  absl::StatusOr<int> Pick(const std::vector<int>& wanted = {});

 private:
  const std::string host_;
  Random& random_;
  int below_ = 0;  // Ports from here up are the kernel's.
  std::set<int> given_;
};

// The first address 127.0.0.1, 127.0.0.2, … on which all of `ports` are free; 127.0.0.1 when there is none.
std::string FindHost(const std::vector<int>& ports);

}  // namespace fleetcast::dev
