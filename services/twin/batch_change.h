// A bulk request of the registry: each change stands for itself.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "fleetcast/registry/v1/device.pb.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/registry_batch.h"

namespace fleetcast::twin {

// Executes the changes of `request` (1 to kDevicesPerBatchMax) in one transaction. An identity that is named twice
// fails at its second place. INVALID_ARGUMENT only for the request as a whole.
absl::Status BatchChange(absl::Time deadline, const registry::v1::BatchChangeDevicesRequest& request,
                         RegistryBatchStore& batches, const KeyVault& vault,
                         registry::v1::BatchChangeDevicesResponse& response);

}  // namespace fleetcast::twin
