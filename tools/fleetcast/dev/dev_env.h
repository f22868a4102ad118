// dev.env: how a running development stack is reached. `fleetcast dev` writes it; tests, the other commands of this
// tool and people's own programs read it. The names are stable (docs: README of this tool).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fleetcast::dev {

// What the file says. Addresses are host:port.
struct DevEnv {
  std::string host;                                 // FLEETCAST_HOST
  int rest_port = 0;                                // FLEETCAST_REST_PORT, HTTPS
  int mqtts_port = 0;                               // FLEETCAST_MQTTS_PORT, MQTT over TLS
  int mqtt_port = 0;                                // FLEETCAST_MQTT_PORT, plain MQTT
  std::vector<int> mqtts_ports;                     // FLEETCAST_MQTTS_PORTS: of all edges, when there are several
  std::vector<int> mqtt_ports;                      // FLEETCAST_MQTT_PORTS: likewise
  std::string grpc_jobs;                            // FLEETCAST_GRPC_JOBS: job_api
  std::string grpc_twins;                           // FLEETCAST_GRPC_TWINS: twin, also the registry
  std::string grpc_methods;                         // FLEETCAST_GRPC_METHODS: method_dispatch
  std::string grpc_sessions;                        // FLEETCAST_GRPC_SESSIONS: device_connection
  std::string connection_string;                    // FLEETCAST_CONNECTION_STRING, of the policy iothubowner. A secret.
  std::string ca_file;                              // FLEETCAST_CA_FILE
  std::string postgres;                             // FLEETCAST_POSTGRES: a libpq URI. A secret.
  std::string redis;                                // FLEETCAST_REDIS: host:port
  std::string data_dir;                             // FLEETCAST_DATA_DIR
  std::vector<std::pair<std::string, pid_t>> pids;  // FLEETCAST_PIDS: name=pid pairs, in start order
};

// The file's text: one NAME=value a line, quoted where a shell needs it.
std::string FormatDevEnv(const DevEnv& env);

// Reads what FormatDevEnv wrote; unknown names are ignored. INVALID_ARGUMENT names the line that is no assignment.
absl::StatusOr<DevEnv> ParseDevEnv(std::string_view text);

// What `fleetcast dev` prints when everything runs.
std::string FormatBanner(const DevEnv& env, std::string_view env_file);

// Replaces `path` by the text in one step, readable by its owner only.
absl::Status WriteDevEnv(const std::string& path, const DevEnv& env);

// Reads the file at `path`. NOT_FOUND when there is none.
absl::StatusOr<DevEnv> ReadDevEnv(const std::string& path);

}  // namespace fleetcast::dev
