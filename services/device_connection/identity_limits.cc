#include "services/device_connection/identity_limits.h"

#include <algorithm>

namespace fleetcast::device_connection {
namespace {

Rate PerMinute(int count, int burst) { return {count / 60.0, static_cast<double>(burst)}; }

}  // namespace

IdentityLimits::IdentityLimits(const Options& options)
    : options_(options),
      connects_(PerMinute(options.connects_per_minute, options.connects_burst), kIdentities, options.seed),
      refusals_(PerMinute(options.refusals_per_minute, options.refusals_per_minute), kIdentities, options.seed) {}

absl::Duration IdentityLimits::HoldFor(std::string_view device_id, absl::Duration now, double share) const {
  MutexLock lock(mutex_);
  const absl::Duration due = connects_.Until(device_id, now);
  if (due == absl::ZeroDuration()) return due;
  constexpr double kJitter = 2.0 / 3;
  return std::min(due + absl::Minutes(1) / options_.connects_per_minute * kJitter * share, kConnectHoldMax);
}

void IdentityLimits::OnConnected(std::string_view device_id, absl::Duration now) {
  MutexLock lock(mutex_);
  connects_.Spend(device_id, now);
}

absl::Duration IdentityLimits::OnRefused(std::string_view device_id, absl::Duration now, double share) {
  MutexLock lock(mutex_);
  if (refusals_.TryTake(device_id, now)) return absl::ZeroDuration();
  return kRefusalHoldMin + kRefusalHoldSpan * share;
}

}  // namespace fleetcast::device_connection
