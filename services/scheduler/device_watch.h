// Waiting targets and the devices they wait for: keeps one dispatcher watching them.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/scheduler/engine_context.h"
#include "services/scheduler/waiting_table.h"

namespace fleetcast::scheduler {

// A dispatcher tells once when a watched device is connected; at once when it already is. So nothing is missed between
// "offline" and the watch, and after a broken stream all devices are simply watched anew, in batches.
class DeviceWatch {
 public:
  // The device of a target that still waits; empty when it does not.
  using NameOf = std::function<std::string_view(WaitingTarget target)>;

  explicit DeviceWatch(EngineContext& context) : context_(context) {}

  // Watches the device; also one that is watched already, for signs may have been lost.
  void Add(std::string_view device_id, WaitingTarget target);
  void Remove(std::string_view device_id, WaitingTarget target);
  // The targets that wait for the device, which is connected and no longer watched.
  std::vector<WaitingTarget> TakeReady(std::string_view device_id) { return table_.Take(device_id); }
  // The dispatcher watches too many devices to add these: they are asked for again after a moment.
  void OnRefused(std::span<const std::string> device_ids);

  void OnDispatcherUp();
  void OnDispatcherDown(int dispatcher);
  // Sends some of what has changed: at most one message's worth.
  void Flush(const NameOf& name_of);

  size_t size() const { return table_.size(); }

 private:
  EngineContext& context_;
  WaitingTable table_;
  std::optional<int> watcher_;                                  // The dispatcher that watches.
  std::deque<WaitingTarget> to_watch_;                          // Not sent yet.
  std::deque<std::pair<absl::Duration, WaitingTarget>> later_;  // Steady time when they go to to_watch_.
  std::vector<std::string> to_unwatch_;
  absl::Duration next_flush_ = -absl::InfiniteDuration();
};

}  // namespace fleetcast::scheduler
