// Who the devices of the fleet are: their ids and keys, and that the hub knows them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/auth/keys.h"
#include "tools/fleetsim/options.h"

namespace fleetcast::fleetsim {

struct Identity {
  std::string id;
  auth::Key key;
};

// HMAC-SHA256(group key, device id): the derivation that IoT Hub's device provisioning uses for symmetric keys of
// groups.
auth::Key DeriveKey(const auth::Key& group, std::string_view device_id);

// Reads "id key" lines; empty lines and lines that begin with '#' are skipped. INVALID_ARGUMENT names the line.
absl::StatusOr<std::vector<Identity>> ParseKeyFile(std::string_view text);

// The devices that `options` asks for, by number or from the key file.
absl::StatusOr<std::vector<Identity>> MakeIdentities(const Options& options);

// Registers all, in bulk; a device that exists gets the new key. `progress` is told how many are done.
absl::Status Register(const Options& options, const std::vector<Identity>& identities,
                      const std::function<void(size_t done)>& progress);

}  // namespace fleetcast::fleetsim
