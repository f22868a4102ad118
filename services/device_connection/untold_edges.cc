#include "services/device_connection/untold_edges.h"

namespace fleetcast::device_connection {

void UntoldEdges::Add(const EdgeName& edge, absl::Duration now) {
  if (waiting_.size() >= kMax && !waiting_.contains(edge.boot_id)) return;
  waiting_.try_emplace(edge.boot_id, Waiting{edge.edge_id, now});
}

std::vector<EdgeName> UntoldEdges::TakeDue(absl::Duration now) {
  std::vector<EdgeName> due;
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    if (now - next->second.since < lease_) {
      ++next;
      continue;
    }
    due.push_back({next->second.edge_id, next->first});
    next = waiting_.erase(next);
  }
  return due;
}

}  // namespace fleetcast::device_connection
