#include "services/device_connection/lease_gaps.h"

namespace fleetcast::device_connection {

bool LeaseGaps::OnRenewed(const std::vector<EdgeName>& edges, absl::Duration sent) {
  bool has_gap = false;
  for (const EdgeName& edge : edges) {
    Lease& lease = leases_[edge.edge_id];
    if (lease.boot_id == edge.boot_id && lease.until <= sent) has_gap = true;
    lease = {edge.boot_id, sent + lease_};
  }
  std::erase_if(leases_, [&](const auto& entry) { return entry.second.until + kForget <= sent; });
  return has_gap;
}

void LeaseGaps::OnFailed(const std::vector<EdgeName>& edges, absl::Duration now) {
  for (const EdgeName& edge : edges) {
    Lease& lease = leases_[edge.edge_id];
    if (lease.boot_id != edge.boot_id) lease = {edge.boot_id, now};
  }
}

}  // namespace fleetcast::device_connection
