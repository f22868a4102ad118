// Which targets wait for which device to connect.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "libs/job_store/job.h"

namespace fleetcast::scheduler {

// A target that waits for its device.
struct WaitingTarget {
  job_store::ChunkKey chunk;
  int position = 0;

  friend bool operator==(const WaitingTarget&, const WaitingTarget&) = default;
};

// Device id → waiting targets of all leased chunks. Not thread-safe. Bounded by its user: only targets of leased
// chunks are in it.
class WaitingTable {
 public:
  // True when it is the first target that waits for this device: its connect events have to be watched.
  bool Add(const std::string& device_id, WaitingTarget target);
  // Forgets one target. True when nobody waits for the device any more: stop watching it.
  bool Remove(const std::string& device_id, WaitingTarget target);
  // The targets that wait for the device; they stay in the table until removed.
  std::vector<WaitingTarget> Find(const std::string& device_id) const;
  // All devices, for watching them anew on a fresh stream.
  std::vector<std::string> Devices() const;
  // How many devices are waited for.
  size_t size() const { return targets_.size(); }

 private:
  absl::flat_hash_map<std::string, absl::InlinedVector<WaitingTarget, 1>> targets_;
};

}  // namespace fleetcast::scheduler
