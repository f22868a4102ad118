// Which targets wait for which device to connect.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace fleetcast::scheduler {

// A target that waits for its device: the holding of its chunk (HeldChunk::serial) and its position there.
struct WaitingTarget {
  int64_t holding = 0;
  int position = 0;

  friend auto operator<=>(const WaitingTarget&, const WaitingTarget&) = default;
};

// Device → waiting targets of all held chunks. A device is known by a 64 bit hash of its id, so that a million cost
// tens of megabytes; two ids with the same hash would be woken by each other, which costs one try and nothing else.
// Not thread-safe. Bounded by its user: only targets of held chunks are in it.
class WaitingTable {
 public:
  // Adding twice is adding once.
  void Add(std::string_view device_id, WaitingTarget target);
  // Forgets one target. True when nobody waits for the device any more: stop watching it.
  bool Remove(std::string_view device_id, WaitingTarget target);
  // The targets that wait for the device.
  std::vector<WaitingTarget> Find(std::string_view device_id) const;
  // Same, and forgets them.
  std::vector<WaitingTarget> Take(std::string_view device_id);
  // Visits one target of every device, for watching them anew on a fresh stream.
  template <typename Visit>
  void ForEachDevice(Visit visit) const {
    for (const auto& [device, target] : first_) visit(Unpack(target));
  }
  // How many devices are waited for.
  size_t size() const { return first_.size(); }

 private:
  // 10 bits hold a position.
  static uint64_t Pack(WaitingTarget target) {
    return static_cast<uint64_t>(target.holding) << 10 | static_cast<uint64_t>(target.position);
  }
  static WaitingTarget Unpack(uint64_t packed) {
    return {static_cast<int64_t>(packed >> 10), static_cast<int>(packed & 1023)};
  }

  absl::flat_hash_map<uint64_t, uint64_t> first_;
  absl::flat_hash_map<uint64_t, std::vector<uint64_t>> more_;  // Of devices for which several targets wait.
};

}  // namespace fleetcast::scheduler
