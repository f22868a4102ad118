#include "services/scheduler/waiting_table.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "libs/base/strings.h"
#include "libs/job_store/position_set.h"

namespace fleetcast::scheduler {
namespace {

static_assert(job_store::kChunkTargets <= 1024);

uint64_t HashOf(std::string_view device_id) { return absl::HashOf(Absl(device_id)); }

}  // namespace

void WaitingTable::Add(std::string_view device_id, WaitingTarget target) {
  const uint64_t device = HashOf(device_id);
  const uint64_t packed = Pack(target);
  const auto [first, is_new] = first_.try_emplace(device, packed);
  if (is_new || first->second == packed) return;
  std::vector<uint64_t>& more = more_[device];
  if (std::find(more.begin(), more.end(), packed) == more.end()) more.push_back(packed);
}

bool WaitingTable::Remove(std::string_view device_id, WaitingTarget target) {
  const uint64_t device = HashOf(device_id);
  const auto first = first_.find(device);
  if (first == first_.end()) return false;
  const auto more = more_.find(device);
  const uint64_t packed = Pack(target);
  if (more == more_.end()) {
    if (first->second != packed) return false;
    first_.erase(first);
    return true;
  }
  if (first->second == packed) {
    first->second = more->second.back();
    more->second.pop_back();
  } else {
    std::erase(more->second, packed);
  }
  if (more->second.empty()) more_.erase(more);
  return false;
}

std::vector<WaitingTarget> WaitingTable::Find(std::string_view device_id) const {
  std::vector<WaitingTarget> targets;
  const uint64_t device = HashOf(device_id);
  const auto first = first_.find(device);
  if (first == first_.end()) return targets;
  targets.push_back(Unpack(first->second));
  if (const auto more = more_.find(device); more != more_.end()) {
    for (const uint64_t packed : more->second) targets.push_back(Unpack(packed));
  }
  return targets;
}

std::vector<WaitingTarget> WaitingTable::Take(std::string_view device_id) {
  std::vector<WaitingTarget> targets = Find(device_id);
  const uint64_t device = HashOf(device_id);
  first_.erase(device);
  more_.erase(device);
  return targets;
}

}  // namespace fleetcast::scheduler
