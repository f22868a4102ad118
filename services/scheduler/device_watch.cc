#include "services/scheduler/device_watch.h"

#include <algorithm>

namespace fleetcast::scheduler {
namespace {

// Devices of one message, and the least time between two: whoever looks a million devices up has calls to carry beside.
constexpr size_t kWatchMax = 1'000;
constexpr absl::Duration kWatchEvery = absl::Milliseconds(10);
constexpr absl::Duration kRefusedPause = absl::Seconds(5);

}  // namespace

void DeviceWatch::Add(std::string_view device_id, WaitingTarget target) {
  table_.Add(device_id, target);
  to_watch_.push_back(target);
}

void DeviceWatch::Remove(std::string_view device_id, WaitingTarget target) {
  if (table_.Remove(device_id, target) && watcher_.has_value()) to_unwatch_.emplace_back(device_id);
}

void DeviceWatch::OnRefused(std::span<const std::string> device_ids) {
  for (const std::string& device_id : device_ids) {
    for (const WaitingTarget& target : table_.Find(device_id)) {
      later_.emplace_back(context_.now.steady + kRefusedPause, target);
      break;  // Watching is for the device.
    }
  }
}

void DeviceWatch::OnDispatcherUp() {
  if (watcher_.has_value()) return;
  watcher_ = context_.methods.AnyUp();
  to_watch_.clear();
  later_.clear();
  to_unwatch_.clear();
  table_.ForEachDevice([this](WaitingTarget target) { to_watch_.push_back(target); });
  std::sort(to_watch_.begin(), to_watch_.end());  // So that a simulated run is the same each time.
}

void DeviceWatch::OnDispatcherDown(int dispatcher) {
  if (watcher_ != dispatcher) return;
  watcher_.reset();
  if (context_.methods.AnyUp().has_value()) OnDispatcherUp();
}

void DeviceWatch::Flush(const NameOf& name_of) {
  for (; !later_.empty() && later_.front().first <= context_.now.steady; later_.pop_front()) {
    to_watch_.push_back(later_.front().second);
  }
  if (!watcher_.has_value()) {  // All are watched when there is one.
    to_watch_.clear();
    return;
  }
  if (context_.now.steady < next_flush_ || (to_watch_.empty() && to_unwatch_.empty())) return;
  next_flush_ = context_.now.steady + kWatchEvery;
  std::vector<std::string> watch;
  size_t looked_at = 0;
  while (looked_at < to_watch_.size() && watch.size() < kWatchMax) {
    const std::string_view device_id = name_of(to_watch_[looked_at++]);
    if (!device_id.empty()) watch.emplace_back(device_id);
  }
  // Unwatched before watched: a device that is let go by one target and waited for by another stays watched.
  const bool is_sent = (watch.empty() && to_unwatch_.empty()) || context_.effects.Watch(*watcher_, watch, to_unwatch_);
  if (!is_sent) return;  // The way there is full.
  to_watch_.erase(to_watch_.begin(), to_watch_.begin() + static_cast<ptrdiff_t>(looked_at));
  to_unwatch_.clear();
}

}  // namespace fleetcast::scheduler
