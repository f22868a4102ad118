// Devices and modules between contract and store: checks, generated keys, sealing, conversion. Pure but for random
// keys.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fleetcast/registry/v1/device.pb.h"
#include "fleetcast/registry/v1/module.pb.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/device_rows.h"

namespace fleetcast::twin {

// Checks what a client decides about a device (service-rest.md 11.1), infers the authentication type, generates absent
// keys and seals them. INVALID_ARGUMENT: INVALID_DEVICE_ID, INVALID_KEY (keys and thumbprints), INVALID_DEVICE_SCOPE,
// INVALID_VALUE.
absl::StatusOr<DeviceSettings> ReadSettings(const registry::v1::Device& device, const KeyVault& vault);

// The same for a module (11.4); also INVALID_MODULE_ID.
absl::StatusOr<DeviceSettings> ReadSettings(const registry::v1::Module& module, const KeyVault& vault);

// Whether neither keys nor thumbprints are given.
bool HasNoCredentials(const registry::v1::Device& device);

// What clients see. `vault` null: without keys. Errors as KeyVault::Open.
absl::Status ToProto(const DeviceRow& row, const KeyVault* vault, registry::v1::Device* out);
absl::Status ToProto(const DeviceRow& row, const KeyVault* vault, registry::v1::Module* out);

// The scope of an edge gateway: that of the devices behind it.
std::string EdgeScope(const DeviceRow& row);

}  // namespace fleetcast::twin
