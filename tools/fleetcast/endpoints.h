// Where the services are: flags first, then variables, then the development stack that runs here.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace fleetcast::cli {

// Addresses, host:port; empty = not known.
struct Endpoints {
  std::string jobs;      // job_api
  std::string twins;     // twin, also the registry
  std::string methods;   // method_dispatch
  std::string sessions;  // device_connection
};

using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// Fills what `flags` leaves empty from FLEETCAST_GRPC_JOBS, …_TWINS, …_METHODS and …_SESSIONS, then from `env_file`
// (empty: the nearest .local/dev.env in `directory` or above it). INVALID_ARGUMENT when a given env file cannot be
// read.
absl::StatusOr<Endpoints> FindEndpoints(const Endpoints& flags, const Environment& environment,
                                        const std::string& env_file, const std::string& directory);

}  // namespace fleetcast::cli
