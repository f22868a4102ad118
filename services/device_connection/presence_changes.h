// What the twin service has to learn about connections, at most one line per device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "fleetcast/internal/v1/device_record.pb.h"

namespace fleetcast::device_connection {

// Gathers changes between two reports. The newest epoch of a device wins; activity never hides a connect or disconnect.
// Bounded by the number of devices. Not thread-safe.
class PresenceChanges {
 public:
  void Connected(const std::string& device_id, int64_t epoch, int64_t unix_micros);
  void Disconnected(const std::string& device_id, int64_t epoch, int64_t unix_micros);
  void Active(const std::string& device_id, int64_t epoch, int64_t unix_micros);

  // Takes up to `limit` changes out.
  std::vector<internal::v1::PresenceChange> Take(size_t limit);
  // Puts changes back that could not be reported, unless something newer is here.
  void PutBack(std::vector<internal::v1::PresenceChange> changes);

  size_t size() const { return changes_.size(); }

 private:
  void Merge(internal::v1::PresenceChange change);

  absl::flat_hash_map<std::string, internal::v1::PresenceChange> changes_;
};

}  // namespace fleetcast::device_connection
