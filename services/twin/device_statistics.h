// How many devices there are, without counting them again and again.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/twin/store/device_store.h"

namespace fleetcast::twin {

// Counting reads every device. A count is answered again until ten times as long has passed as it took, so that however
// often somebody asks, counting is a tenth of one session's work: some milliseconds for a small hub, two or three
// seconds for a million devices. Thread-safe.
class DeviceStatistics {
 public:
  DeviceStatistics(DeviceStore& devices, Clock& clock) : devices_(devices), clock_(clock) {}

  absl::StatusOr<DeviceCounts> Get(absl::Time deadline) EXCLUDES(mutex_);

 private:
  DeviceStore& devices_;
  Clock& clock_;
  Mutex mutex_;
  DeviceCounts counts_ GUARDED_BY(mutex_);
  absl::Duration good_until_ GUARDED_BY(mutex_) = -absl::InfiniteDuration();  // Monotonic.
};

}  // namespace fleetcast::twin
