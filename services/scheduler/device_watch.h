// Waiting targets and the devices they wait for: keeps one dispatcher watching them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "services/scheduler/engine_context.h"
#include "services/scheduler/waiting_table.h"

namespace fleetcast::scheduler {

// A dispatcher tells once when a watched device is connected; at once when it already is. So nothing is missed between
// "offline" and the watch, and after a broken stream all devices are simply watched anew.
class DeviceWatch {
 public:
  explicit DeviceWatch(EngineContext& context) : context_(context) {}

  void Add(const std::string& device_id, WaitingTarget target);
  void Remove(const std::string& device_id, WaitingTarget target);
  // The targets that wait for the device, which is connected.
  std::vector<WaitingTarget> OnReady(const std::string& device_id) const { return table_.Find(device_id); }

  void OnDispatcherUp();
  void OnDispatcherDown(int dispatcher);
  // Sends what has changed.
  void Flush();

  size_t size() const { return table_.size(); }

 private:
  EngineContext& context_;
  WaitingTable table_;
  std::optional<int> watcher_;      // The dispatcher that watches.
  std::vector<std::string> watch_;  // Not sent yet.
  std::vector<std::string> unwatch_;
};

}  // namespace fleetcast::scheduler
