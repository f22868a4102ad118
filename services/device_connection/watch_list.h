// Who wants to know when a device connects and listens to methods.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/device_connection/delivery_table.h"

namespace fleetcast::device_connection {

// Each watcher is told once, then forgotten. Bounded per stream. Not thread-safe.
class WatchList {
 public:
  static constexpr size_t kPerStreamMax = 100'000;  // proto/fleetcast/internal/v1/delivery.proto

  // False when the stream watches too many devices already.
  bool Add(DispatcherStream stream, const std::string& device_id);
  void Remove(DispatcherStream stream, std::string_view device_id);
  void RemoveStream(DispatcherStream stream);
  // The streams to tell; they are forgotten.
  std::vector<DispatcherStream> Take(std::string_view device_id);

  size_t size() const { return by_device_.size(); }
  bool empty() const { return by_device_.empty(); }

 private:
  absl::flat_hash_map<std::string, std::vector<DispatcherStream>> by_device_;
  absl::flat_hash_map<DispatcherStream, size_t> counts_;
};

}  // namespace fleetcast::device_connection
