#include "services/scheduler/device_watch.h"

namespace fleetcast::scheduler {

void DeviceWatch::Add(const std::string& device_id, WaitingTarget target) {
  if (table_.Add(device_id, target)) watch_.push_back(device_id);
}

void DeviceWatch::Remove(const std::string& device_id, WaitingTarget target) {
  if (table_.Remove(device_id, target)) unwatch_.push_back(device_id);
}

void DeviceWatch::OnDispatcherUp() {
  if (watcher_.has_value()) return;
  watcher_ = context_.methods.AnyUp();
  watch_ = table_.Devices();
  unwatch_.clear();
}

void DeviceWatch::OnDispatcherDown(int dispatcher) {
  if (watcher_ != dispatcher) return;
  watcher_.reset();
  if (context_.methods.AnyUp().has_value()) OnDispatcherUp();
}

void DeviceWatch::Flush() {
  if (watch_.empty() && unwatch_.empty()) return;
  // Order matters: a device that is in both lists was let go and is waited for again, or the other way round; the
  // dispatcher unwatches first, so the worst case is a watch too many, which tells once and is ignored.
  if (watcher_.has_value()) context_.effects.Watch(*watcher_, watch_, unwatch_);
  watch_.clear();
  unwatch_.clear();
}

}  // namespace fleetcast::scheduler
