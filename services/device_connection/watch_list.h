// Who wants to know when a device connects and listens to methods.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/device_connection/delivery_table.h"

namespace fleetcast::device_connection {

// Each watcher is told once, then forgotten. Bounded per stream. A device is known by a 64 bit hash of its id, which
// makes 20 to 40 bytes a device; two ids with the same hash would be told for each other, and the call to the one that
// is not there is answered NOT_SENT. Not thread-safe.
class WatchList {
 public:
  static constexpr size_t kPerStreamMax = 4'000'000;  // proto/fleetcast/internal/v1/delivery.proto

  explicit WatchList(size_t per_stream_max = kPerStreamMax) : per_stream_max_(per_stream_max) {}

  // False when the stream watches too many devices already.
  bool Add(DispatcherStream stream, std::string_view device_id);
  void Remove(DispatcherStream stream, std::string_view device_id);
  void RemoveStream(DispatcherStream stream);
  // The streams to tell; they are forgotten.
  std::vector<DispatcherStream> Take(std::string_view device_id);

  // How many devices are watched.
  size_t size() const { return first_.size(); }
  bool empty() const { return first_.empty(); }

 private:
  using Device = uint64_t;  // The hash.

  const size_t per_stream_max_;
  absl::flat_hash_map<Device, DispatcherStream> first_;
  absl::flat_hash_map<Device, std::vector<DispatcherStream>> more_;  // Of devices that several streams watch.
  absl::flat_hash_map<DispatcherStream, size_t> counts_;
};

}  // namespace fleetcast::device_connection
