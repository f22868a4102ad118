#include "services/device_connection/takeover_limit.h"

#include <algorithm>

#include "libs/base/strings.h"

namespace fleetcast::device_connection {

double TakeoverLimit::LeftAt(const Allowance& allowance, absl::Duration now) const {
  const double grown = absl::FDivDuration(now - allowance.at, absl::Minutes(1)) * options_.per_minute;
  return std::min<double>(options_.per_minute, allowance.left + grown);
}

void TakeoverLimit::OnTakeover(std::string_view device_id, absl::Duration now) {
  if (options_.per_minute == 0) return;
  MutexLock lock(mutex_);
  if (devices_.size() >= options_.devices_max) {
    absl::erase_if(devices_, [&](const auto& each) { return LeftAt(each.second, now) >= options_.per_minute; });
    if (devices_.size() >= options_.devices_max && !devices_.contains(Absl(device_id))) return;
  }
  const Allowance full{static_cast<double>(options_.per_minute), now};
  Allowance& allowance = devices_.try_emplace(Absl(device_id), full).first->second;
  allowance = {std::max(0.0, LeftAt(allowance, now) - 1), now};
}

absl::Duration TakeoverLimit::HoldFor(std::string_view device_id, absl::Duration now, double share) const {
  MutexLock lock(mutex_);
  const auto found = devices_.find(Absl(device_id));
  if (found == devices_.end()) return absl::ZeroDuration();
  const double left = LeftAt(found->second, now);
  if (left >= 1) return absl::ZeroDuration();
  constexpr double kJitter = 2.0 / 3;
  return absl::Minutes(1) / options_.per_minute * (1 - left + kJitter * share);
}

}  // namespace fleetcast::device_connection
