// A bulk request of the registry: each change stands for itself.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "fleetcast/registry/v1/device.pb.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/twin_store.h"

namespace fleetcast::twin {

// Executes the changes of `request` (1 to kDevicesPerBatchMax): creations together, in one transaction, the others one
// by one. A device that is named twice fails at its second place. INVALID_ARGUMENT only for the request as a whole.
absl::Status BatchChange(absl::Time deadline, const registry::v1::BatchChangeDevicesRequest& request,
                         DeviceStore& devices, TwinStore& twins, registry::v1::BatchChangeDevicesResponse& response);

}  // namespace fleetcast::twin
