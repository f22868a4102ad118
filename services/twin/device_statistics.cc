#include "services/twin/device_statistics.h"

#include "libs/base/status_macros.h"

namespace fleetcast::twin {
namespace {

constexpr int kRestPerWork = 10;

}  // namespace

absl::StatusOr<DeviceCounts> DeviceStatistics::Get(absl::Time deadline) {
  const absl::Duration start = clock_.Monotonic();
  {
    MutexLock lock(mutex_);
    if (start < good_until_) return counts_;
  }
  FLEETCAST_ASSIGN_OR_RETURN(const DeviceCounts counts, devices_.Count(deadline));
  const absl::Duration end = clock_.Monotonic();
  MutexLock lock(mutex_);
  counts_ = counts;
  good_until_ = end + kRestPerWork * (end - start);
  return counts;
}

}  // namespace fleetcast::twin
