// Which schedulers' streams want to know when a device listens to methods.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "services/method_dispatch/pending_call.h"

namespace fleetcast::method_dispatch {

// Devices with the streams that watch them, each stream once. Made for millions of devices that are mostly watched by
// one stream: about 50 bytes for a device with an id of 18. The ids are kept, since a device_connection that comes back
// has to be told all of them. Not thread-safe. Bounded by its user.
class WatcherTable {
 public:
  static constexpr size_t kIdBytesMax = 255;  // Ids of devices have at most 128.

  // Nothing happens when the stream watches the device already. Precondition: at most kIdBytesMax.
  void Add(std::string_view device_id, SchedulerStream stream);
  // True when the stream was the last that watched the device.
  bool Remove(std::string_view device_id, SchedulerStream stream);
  // The streams that watch the device, in the order in which they came; they are forgotten.
  std::vector<SchedulerStream> Take(std::string_view device_id);

  bool contains(std::string_view device_id) const { return devices_.contains(device_id); }
  // How many devices are watched.
  size_t size() const { return devices_.size(); }
  std::vector<std::string> Devices() const;
  std::vector<std::string> DevicesOf(SchedulerStream stream) const;

 private:
  // One block of memory: the stream in four bytes, the length of the id in one, the id. A stream of 0: the streams are
  // in several_.
  using Entry = std::unique_ptr<char[]>;
  static Entry MakeEntry(std::string_view device_id, SchedulerStream stream);
  static std::string_view IdOf(const Entry& entry);
  static SchedulerStream StreamOf(const Entry& entry);

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view id) const { return absl::Hash<std::string_view>()(id); }
    size_t operator()(const Entry& entry) const { return (*this)(IdOf(entry)); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Entry& a, const Entry& b) const { return IdOf(a) == IdOf(b); }
    bool operator()(const Entry& a, std::string_view b) const { return IdOf(a) == b; }
  };
  using DeviceSet = absl::flat_hash_set<Entry, Hash, Equal>;

  std::vector<SchedulerStream> StreamsOf(DeviceSet::const_iterator device) const;
  // Writes who watches the device; nobody = it is forgotten.
  void Store(std::string_view device_id, std::vector<SchedulerStream> streams);

  DeviceSet devices_;
  absl::flat_hash_map<std::string, std::vector<SchedulerStream>> several_;
};

}  // namespace fleetcast::method_dispatch
