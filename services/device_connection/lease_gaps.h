// Whether the leases of edges have held without a gap.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/device_connection/session_entry.h"

namespace fleetcast::device_connection {

// While an edge had no lease in the directory, another replica may have taken it for dead and its sessions out: Redis
// could not be reached, or this process was stopped. Pure; not thread-safe.
class LeaseGaps {
 public:
  explicit LeaseGaps(absl::Duration lease) : lease_(lease) {}

  // The leases of `edges` were renewed by a statement that was sent at `sent` (monotonic). True when one of them had
  // run out before: its sessions have to be entered again. An edge that is new here needs nothing: its sessions are
  // entered after its first lease.
  bool OnRenewed(const std::vector<EdgeName>& edges, absl::Duration sent);
  // They could not be renewed at `now`.
  void OnFailed(const std::vector<EdgeName>& edges, absl::Duration now);

 private:
  // An edge that had no lease for so long has lost its stream, and will announce its sessions itself.
  static constexpr absl::Duration kForget = absl::Minutes(10);

  struct Lease {
    std::string boot_id;
    absl::Duration until;
  };

  const absl::Duration lease_;
  std::map<std::string, Lease> leases_;  // By edge id.
};

}  // namespace fleetcast::device_connection
