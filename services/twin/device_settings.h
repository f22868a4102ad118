// Devices between contract and store: checks, generated keys, conversion. Pure but for the random keys.
#pragma once

#include "absl/status/statusor.h"
#include "fleetcast/registry/v1/device.pb.h"
#include "services/twin/store/device_store.h"

namespace fleetcast::twin {

// Checks what a client decides about a device (service-rest.md 11.1), infers the authentication type and generates
// absent keys. INVALID_ARGUMENT: INVALID_DEVICE_ID, INVALID_KEY (keys and thumbprints), INVALID_VALUE.
absl::StatusOr<DeviceSettings> ReadSettings(const registry::v1::Device& device);

enum class Secrets { kHide, kShow };

void ToProto(const DeviceRow& row, Secrets secrets, registry::v1::Device* out);

}  // namespace fleetcast::twin
