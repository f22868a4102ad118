// Edges whose sessions were superseded here while they were not attached here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/device_connection/session_entry.h"

namespace fleetcast::device_connection {

// Nobody could tell such a session to go. If its edge has died that is well: after a lease nobody takes it for alive.
// If it still has a lease then, another replica hears it and has to look. Pure; not thread-safe.
class UntoldEdges {
 public:
  explicit UntoldEdges(absl::Duration lease) : lease_(lease) {}

  // A session of `edge` was superseded at `now` (monotonic). Beyond kMax edges new ones are not remembered: each of
  // them announces its sessions when it attaches again.
  void Add(const EdgeName& edge, absl::Duration now);
  // The edges that have waited for the length of a lease; each is returned once and forgotten.
  std::vector<EdgeName> TakeDue(absl::Duration now);

 private:
  static constexpr size_t kMax = 10'000;

  struct Waiting {
    std::string edge_id;
    absl::Duration since;  // Of the first session: all of the edge are looked at together, whenever that is.
  };

  const absl::Duration lease_;
  std::map<std::string, Waiting> waiting_;  // By boot id.
};

}  // namespace fleetcast::device_connection
