#include "tools/fleetcast/dev/stack.h"

#include <algorithm>
#include <filesystem>

#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "libs/auth/base64.h"
#include "libs/auth/policies.h"
#include "libs/auth/sealing.h"
#include "libs/base/status_macros.h"
#include "tools/fleetcast/dev/certificate.h"
#include "tools/fleetcast/dev/health.h"
#include "tools/fleetcast/dev/ports.h"
#include "tools/fleetcast/dev/postgres.h"
#include "tools/fleetcast/dev/redis.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::dev {
namespace {

constexpr char kOwnerPolicy[] = "iothubowner";
constexpr char kDrainTimeout[] = "2s";
constexpr absl::Duration kProbeLimit = absl::Milliseconds(250);

// Every name that clients may use, each once.
std::vector<std::string> AllNames(const StackOptions& options) {
  std::vector<std::string> names = {options.host, "127.0.0.1", "localhost"};
  char host_name[256] = {};
  if (gethostname(host_name, sizeof(host_name) - 1) == 0 && host_name[0] != '\0') names.emplace_back(host_name);
  names.insert(names.end(), options.host_names.begin(), options.host_names.end());
  std::vector<std::string> unique;
  for (std::string& name : names) {
    absl::AsciiStrToLower(&name);
    if (std::find(unique.begin(), unique.end(), name) == unique.end()) unique.push_back(name);
  }
  return unique;
}

// Reads the policy file, or makes one with random keys.
absl::StatusOr<auth::PolicySet> EnsurePolicies(const std::string& file) {
  const absl::StatusOr<std::string> text = files::Read(file);
  if (text.ok()) return auth::PolicySet::FromJson(*text);
  auth::PolicySet policies = auth::PolicySet::GenerateDefault();
  FLEETCAST_RETURN_IF_ERROR(files::Replace(file, policies.ToJson(), 0600));
  return policies;
}

// Makes the file with the key that encrypts the keys of devices, unless it is there.
absl::Status EnsureSealingKey(const std::string& file) {
  const absl::Status status = files::Read(file).status();
  if (!absl::IsNotFound(status)) return status;  // Never another key in the place of one that cannot be read just now.
  return files::Replace(file, absl::StrCat(auth::Base64Encode(RandomBytes(auth::kSealingKeyBytes)), "\n"), 0600);
}

// Every process of ours: service and number of the replica, in start order.
std::vector<std::pair<const ServiceEntry*, int>> Instances(const StackOptions& options) {
  std::vector<std::pair<const ServiceEntry*, int>> instances;
  for (const ServiceEntry& service : Services()) {
    for (int replica = 0; replica < options.ReplicasOf(service.name); ++replica) {
      instances.emplace_back(&service, replica);
    }
  }
  return instances;
}

absl::Status ChoosePorts(Stack& stack, Random& random) {
  const StackOptions& options = stack.options;
  PortPicker ports(options.host, random);
  // A port that the user asked for is taken or refused, never replaced.
  const auto choose = [&](int asked, std::vector<int> wanted, const char* flag) -> absl::StatusOr<int> {
    if (asked == 0) return ports.Pick(wanted);
    if (CanListen(options.host, asked)) return ports.Pick({asked});
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.host, ":", asked, " (", flag, ")"));
  };
  FLEETCAST_ASSIGN_OR_RETURN(stack.env.rest_port, choose(options.rest_port, {443, 8443}, "--rest-port"));
  FLEETCAST_ASSIGN_OR_RETURN(stack.env.mqtts_port, choose(options.mqtts_port, {8883}, "--mqtts-port"));
  FLEETCAST_ASSIGN_OR_RETURN(stack.env.mqtt_port, choose(options.mqtt_port, {1883}, "--mqtt-port"));
  FLEETCAST_ASSIGN_OR_RETURN(stack.postgres_port, ports.Pick());
  FLEETCAST_ASSIGN_OR_RETURN(stack.redis_port, ports.Pick());
  FLEETCAST_ASSIGN_OR_RETURN(const int websocket_port, ports.Pick());
  stack.edges.push_back({stack.env.mqtts_port, stack.env.mqtt_port, websocket_port});
  while (static_cast<int>(stack.edges.size()) < options.ReplicasOf("mqtt_edge")) {
    FLEETCAST_ASSIGN_OR_RETURN(const int mqtts_port, ports.Pick());
    FLEETCAST_ASSIGN_OR_RETURN(const int mqtt_port, ports.Pick());
    FLEETCAST_ASSIGN_OR_RETURN(const int edge_websocket_port, ports.Pick());
    stack.edges.push_back({mqtts_port, mqtt_port, edge_websocket_port});
  }
  for (const auto& [service, replica] : Instances(options)) {
    const auto fixed = options.grpc_ports.find(service->name);
    const int asked = replica == 0 && fixed != options.grpc_ports.end() ? fixed->second : 0;
    const std::string name = InstanceName(service->name, replica);
    FLEETCAST_ASSIGN_OR_RETURN(const int grpc_port, choose(asked, {}, "--grpc-port"));
    FLEETCAST_ASSIGN_OR_RETURN(const int metrics_port, ports.Pick());
    stack.grpc_addresses[name] = stack.Address(grpc_port);
    stack.metrics_addresses[name] = stack.Address(metrics_port);
  }
  return absl::OkStatus();
}

absl::Status MakeDirectories(const Stack& stack) {
  const std::optional<UserIds> user = UnprivilegedUser();
  if (user.has_value() && !CanReach(*user, stack.options.data_dir)) {
    return absl::FailedPreconditionError(absl::StrCat("PostgreSQL does not run as root, and its user cannot reach ",
                                                      stack.options.data_dir,
                                                      "\ntry:   --data-dir with a directory below /var/tmp"));
  }
  FLEETCAST_RETURN_IF_ERROR(files::MakeDirectory(stack.options.data_dir, 0711));
  FLEETCAST_RETURN_IF_ERROR(files::Replace(stack.Path(kDataMarker), "", 0644));
  FLEETCAST_RETURN_IF_ERROR(files::MakeDirectory(stack.Path("logs"), 0755));
  FLEETCAST_RETURN_IF_ERROR(files::MakeDirectory(stack.Path("redis"), 0700));
  return files::MakeDirectory(stack.tls_dir, 0755);
}

void FillEnv(Stack& stack, const auth::PolicySet& policies) {
  DevEnv& env = stack.env;
  env.host = stack.options.host;
  env.grpc_jobs = stack.grpc_addresses["job_api"];
  env.grpc_twins = stack.grpc_addresses["twin"];
  env.grpc_methods = stack.grpc_addresses["method_dispatch"];
  env.grpc_sessions = stack.grpc_addresses["device_connection"];
  env.connection_string = absl::StrCat("HostName=", env.host, ";SharedAccessKeyName=", kOwnerPolicy,
                                       ";SharedAccessKey=", policies.Find(kOwnerPolicy)->keys.primary.ToBase64());
  env.ca_file = absl::StrCat(stack.tls_dir, "/", kCaCertificateFile);
  env.postgres = PostgresUri(stack);
  env.redis = stack.Address(stack.redis_port);
  if (stack.edges.size() > 1) {
    for (const EdgePorts& edge : stack.edges) {
      env.mqtts_ports.push_back(edge.mqtts);
      env.mqtt_ports.push_back(edge.mqtt);
    }
  }
  env.data_dir = stack.options.data_dir;
}

ChildSpec ServiceChild(const Stack& stack, const ServiceEntry& service, int replica) {
  const std::string dashed = absl::StrReplaceAll(service.name, {{"_", "-"}});
  ChildSpec spec;
  spec.name = InstanceName(service.name, replica);
  const std::string address = stack.grpc_addresses.at(spec.name);
  spec.command = {absl::StrCat(stack.options.bin_dir, "/fleetcast-", dashed),
                  "--listen",
                  address,
                  "--metrics-listen",
                  stack.metrics_addresses.at(spec.name),
                  "--drain-delay",
                  "0",
                  "--drain-timeout",
                  kDrainTimeout};
  for (std::string& flag : service.flags(stack, replica)) spec.command.push_back(std::move(flag));
  if (const auto extra = stack.options.extra_flags.find(service.name); extra != stack.options.extra_flags.end()) {
    spec.command.insert(spec.command.end(), extra->second.begin(), extra->second.end());
  }
  // By the environment, where other users of the machine cannot read it. Services without the setting ignore it.
  spec.environment = {{"FLEETCAST_POSTGRES", stack.env.postgres}};
  spec.log_file = stack.Path(absl::StrCat("logs/", spec.name, ".log"));
  spec.is_ready = [address] { return IsServing(address, kProbeLimit); };
  return spec;
}

}  // namespace

int StackOptions::ReplicasOf(const std::string& service) const {
  const auto found = replicas.find(service);
  return found == replicas.end() ? 1 : found->second;
}

std::string InstanceName(const std::string& service, int replica) {
  return replica == 0 ? service : absl::StrCat(service, "_", replica + 1);
}

std::string Stack::AddressesOf(const std::string& service) const {
  std::vector<std::string> addresses;
  for (int replica = 0; replica < options.ReplicasOf(service); ++replica) {
    const auto proxy = options.via.find(service);
    const bool is_proxied = replica == 0 && proxy != options.via.end();
    addresses.push_back(is_proxied ? proxy->second : grpc_addresses.at(InstanceName(service, replica)));
  }
  return absl::StrJoin(addresses, ",");
}

std::string Stack::Address(int port) const { return absl::StrCat(options.host, ":", port); }

absl::StatusOr<Stack> PrepareStack(const StackOptions& options, Random& random) {
  Stack stack;
  stack.options = options;
  // Children run elsewhere.
  if (!options.data_dir.empty()) stack.options.data_dir = std::filesystem::absolute(options.data_dir).string();
  stack.names = AllNames(options);
  stack.tls_dir = stack.Path("tls");
  stack.policy_file = stack.Path("policies.json");
  stack.sealing_key_file = stack.Path("key_encryption_keys");
  FLEETCAST_ASSIGN_OR_RETURN(stack.postgres_binaries, FindPostgres());
  FLEETCAST_RETURN_IF_ERROR(FindRedis().status());
  FLEETCAST_RETURN_IF_ERROR(MakeDirectories(stack));
  FLEETCAST_RETURN_IF_ERROR(EnsureCertificates(stack.tls_dir, stack.names));
  FLEETCAST_ASSIGN_OR_RETURN(const auth::PolicySet policies, EnsurePolicies(stack.policy_file));
  FLEETCAST_RETURN_IF_ERROR(EnsureSealingKey(stack.sealing_key_file));
  if (policies.Find(kOwnerPolicy) == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(stack.policy_file, " has no policy ", kOwnerPolicy));
  }
  FLEETCAST_RETURN_IF_ERROR(ChoosePorts(stack, random));
  FLEETCAST_RETURN_IF_ERROR(EnsureCluster(stack));
  FillEnv(stack, policies);
  return stack;
}

std::vector<ChildSpec> ChildrenOf(const Stack& stack) {
  std::vector<ChildSpec> children = {PostgresChild(stack), RedisChild(stack)};
  for (const auto& [service, replica] : Instances(stack.options)) {
    children.push_back(ServiceChild(stack, *service, replica));
  }
  return children;
}

}  // namespace fleetcast::dev
