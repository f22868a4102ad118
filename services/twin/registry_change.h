// What a bulk request or an import asks of one identity, checked: the way into the registry's batches. Pure but for
// generated keys.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fleetcast/registry/v1/device.pb.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/registry_batch.h"

namespace fleetcast::twin {

// The identity part of `change`, without a twin. Errors: those of ReadSettings, INVALID_VALUE for an unknown kind.
absl::StatusOr<RegistryChange> ReadIdentityChange(const registry::v1::DeviceChange& change, const KeyVault& vault);

// The whole of it. Also INVALID_TWIN, INVALID_JSON, JSON_TOO_LARGE.
absl::StatusOr<RegistryChange> ReadChange(const registry::v1::DeviceChange& change, const KeyVault& vault,
                                          absl::Time now);

}  // namespace fleetcast::twin
