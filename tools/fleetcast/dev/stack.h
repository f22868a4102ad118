// What makes up one development stack: where its files are, which ports it has, and which processes run.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "tools/fleetcast/dev/child.h"
#include "tools/fleetcast/dev/dev_env.h"

namespace fleetcast::dev {

// A file that marks a data directory as ours: only such a directory is ever wiped.
inline constexpr char kDataMarker[] = ".fleetcast-data";

// What the user may choose; see `fleetcast dev --help`.
struct StackOptions {
  std::string data_dir;
  std::string bin_dir;                  // Where the programs of the services are.
  std::string host = "127.0.0.1";       // Numeric IPv4 address to listen on.
  std::vector<std::string> host_names;  // More names that clients may use.
  int rest_port = 0;                    // 0 = choose, as for the others.
  int mqtts_port = 0;
  int mqtt_port = 0;
  std::map<std::string, std::vector<std::string>> extra_flags;  // By service name.
  std::map<std::string, int> replicas;                          // By service name; 1 where nothing is said.
  std::map<std::string, int> grpc_ports;                        // By service name: a fixed port of the first replica.
  std::map<std::string, std::string> via;  // By service name: where others reach its first replica (a proxy).

  int ReplicasOf(const std::string& service) const;
};

// Most replicas of one service.
inline constexpr int kReplicasMax = 8;

// "scheduler" for the first replica (0), then "scheduler_2" and so on.
std::string InstanceName(const std::string& service, int replica);

// Where one edge listens.
struct EdgePorts {
  int mqtts = 0;
  int mqtt = 0;
  int websocket = 0;  // Without TLS, for rest_gateway.
};

// One stack: everything decided and prepared, nothing started yet.
struct Stack {
  StackOptions options;
  std::vector<std::string> names;                     // Every name and address of this hub.
  std::map<std::string, std::string> grpc_addresses;  // By instance name; host:port.
  std::map<std::string, std::string> metrics_addresses;
  std::vector<EdgePorts> edges;   // Of each mqtt_edge; the first has the ports in `env`.
  std::string postgres_binaries;  // Directory of initdb and postgres.
  std::string postgres_password;
  int postgres_port = 0;
  int redis_port = 0;
  std::string tls_dir;
  std::string policy_file;
  std::string sealing_key_file;  // Of the keys of devices at rest.
  DevEnv env;                    // Complete but for the pids.

  std::string Path(const std::string& name) const { return options.data_dir + "/" + name; }
  std::string Address(int port) const;
  // The addresses of all replicas of a service, as others reach them; comma-separated.
  std::string AddressesOf(const std::string& service) const;
};

// A service of ours. Adding one is adding an entry to the table in services.cc.
struct ServiceEntry {
  std::string name;  // As in design and folder: job_api; the program is fleetcast-job-api.
  std::vector<std::string> (*flags)(const Stack& stack, int replica);  // Beyond those that every service has.
  bool can_have_replicas = true;
};

// All services in start order: a service stands after those it calls when it starts.
const std::vector<ServiceEntry>& Services();

// Makes directories, keys, certificates, the policy file and the database cluster where they are missing, and chooses
// ports. Errors say what to do.
absl::StatusOr<Stack> PrepareStack(const StackOptions& options, Random& random);

// PostgreSQL and Redis, then all services, in start order.
std::vector<ChildSpec> ChildrenOf(const Stack& stack);

// To be called when PostgreSQL serves: makes the database unless it exists.
absl::Status EnsureDatabase(const Stack& stack);

}  // namespace fleetcast::dev
