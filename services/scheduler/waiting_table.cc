#include "services/scheduler/waiting_table.h"

#include <algorithm>

namespace fleetcast::scheduler {

bool WaitingTable::Add(const std::string& device_id, WaitingTarget target) {
  auto& waiting = targets_[device_id];
  if (std::find(waiting.begin(), waiting.end(), target) == waiting.end()) waiting.push_back(target);
  return waiting.size() == 1;
}

bool WaitingTable::Remove(const std::string& device_id, WaitingTarget target) {
  const auto found = targets_.find(device_id);
  if (found == targets_.end()) return false;
  auto& waiting = found->second;
  waiting.erase(std::remove(waiting.begin(), waiting.end(), target), waiting.end());
  if (!waiting.empty()) return false;
  targets_.erase(found);
  return true;
}

std::vector<WaitingTarget> WaitingTable::Find(const std::string& device_id) const {
  const auto found = targets_.find(device_id);
  if (found == targets_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::vector<std::string> WaitingTable::Devices() const {
  std::vector<std::string> devices;
  devices.reserve(targets_.size());
  for (const auto& [device_id, waiting] : targets_) devices.push_back(device_id);
  std::sort(devices.begin(), devices.end());  // So that a simulated run is the same each time.
  return devices;
}

}  // namespace fleetcast::scheduler
