// Free TCP ports on one address.
#pragma once

#include <set>
#include <string>
#include <utility>
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

// An address that is spoken for among the stacks of this machine, from before they listen there. Goes with its process,
// however that ends, and with the processes that were forked from it.
class HostClaim {
 public:
  explicit HostClaim(std::string host) : host_(std::move(host)) {}
  ~HostClaim();
  HostClaim(HostClaim&& other) noexcept : host_(std::move(other.host_)), fd_(std::exchange(other.fd_, -1)) {}
  HostClaim& operator=(HostClaim&&) = delete;

  // False when another one, here or in another process, has the address.
  bool Take();
  const std::string& host() const { return host_; }

 private:
  std::string host_;
  int fd_ = -1;
};

// The first address 127.0.0.1, 127.0.0.2, … that nobody has claimed and on which all of `ports` are free, claimed;
// 127.0.0.1 without a claim when there is none.
HostClaim FindHost(const std::vector<int>& ports);

}  // namespace fleetcast::dev
