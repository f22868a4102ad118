#include <algorithm>
#include <filesystem>
#include <functional>

#include <CLI/CLI.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "tools/fleetcast/commands.h"
#include "tools/fleetcast/dev/dev_command.h"

namespace fleetcast::cli {
namespace {

// Where this program is: the services are beside it.
std::string OwnDirectory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

using Take = std::function<bool(const dev::ServiceEntry& service, const std::string& value)>;

// Gives each "SERVICE=VALUE" to `take`; an error when there is no such service or `take` says no.
absl::Status ForServices(const std::vector<std::string>& arguments, std::string_view flag, std::string_view example,
                         const Take& take) {
  for (const std::string& argument : arguments) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(argument, absl::MaxSplits('=', 1));
    const auto& services = dev::Services();
    const auto service =
        std::find_if(services.begin(), services.end(), [&](const auto& s) { return s.name == parts.first; });
    if (service == services.end() || parts.second.empty() || !take(*service, parts.second)) {
      return absl::InvalidArgumentError(
          absl::StrCat(Absl(flag), ": \"", argument, "\"\ntry:   ", Absl(flag), " ", Absl(example)));
    }
  }
  return absl::OkStatus();
}

struct Arguments {
  dev::DevOptions options;
  std::vector<std::string> service_flags;
  std::vector<std::string> replicas;
  std::vector<std::string> grpc_ports;
  std::vector<std::string> via;
  bool stop = false;
};

// What is said of single services.
absl::Status ReadServices(const Arguments& arguments, dev::StackOptions& stack) {
  FLEETCAST_RETURN_IF_ERROR(ForServices(arguments.service_flags, "--service-flag", "scheduler=--log-level=debug",
                                        [&](const dev::ServiceEntry& service, const std::string& value) {
                                          stack.extra_flags[service.name].push_back(value);
                                          return true;
                                        }));
  FLEETCAST_RETURN_IF_ERROR(ForServices(arguments.replicas, "--replicas", "scheduler=2",
                                        [&](const dev::ServiceEntry& service, const std::string& value) {
                                          int& count = stack.replicas[service.name];
                                          return absl::SimpleAtoi(value, &count) && count >= 1 &&
                                                 count <= (service.can_have_replicas ? dev::kReplicasMax : 1);
                                        }));
  FLEETCAST_RETURN_IF_ERROR(ForServices(arguments.grpc_ports, "--grpc-port", "device_connection=20017",
                                        [&](const dev::ServiceEntry& service, const std::string& value) {
                                          return absl::SimpleAtoi(value, &stack.grpc_ports[service.name]);
                                        }));
  return ForServices(arguments.via, "--via", "device_connection=127.0.0.1:20018",
                     [&](const dev::ServiceEntry& service, const std::string& value) {
                       stack.via[service.name] = value;
                       return true;
                     });
}

int Run(Context& context, Arguments& arguments) {
  if (!context.env_file.empty()) arguments.options.env_file = context.env_file;
  if (arguments.stop) return dev::StopDev(arguments.options.env_file);
  if (arguments.options.stack.bin_dir.empty()) arguments.options.stack.bin_dir = OwnDirectory();
  if (const absl::Status status = ReadServices(arguments, arguments.options.stack); !status.ok()) {
    context.Finish(status);
    return context.exit_code;
  }
  return dev::RunDev(arguments.options);
}

}  // namespace

void AddDevCommand(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  dev::DevOptions& options = arguments->options;
  CLI::App* const dev =
      app.add_subcommand("dev", "Run a whole Fleetcast on this machine, with its own PostgreSQL and Redis");
  dev->add_option(
      "--data-dir", options.stack.data_dir,
      "Where data is kept; default: beside the env file, or below /var/tmp when PostgreSQL's user cannot get there");
  dev->add_option("--host", options.stack.host,
                  "Address to listen on; auto = the first of 127.0.0.1, 127.0.0.2, … whose ports 443 and 8883 are free")
      ->capture_default_str();
  dev->add_option("--host-names", options.stack.host_names, "More names that clients use, for the certificate")
      ->delimiter(',');
  dev->add_option("--rest-port", options.stack.rest_port, "HTTPS; default 443, 8443 or any that is free");
  dev->add_option("--mqtts-port", options.stack.mqtts_port, "MQTT over TLS; default 8883 or any that is free");
  dev->add_option("--mqtt-port", options.stack.mqtt_port, "MQTT without TLS; default 1883 or any that is free");
  dev->add_option("--bin-dir", options.stack.bin_dir, "Where the services' programs are; default: beside this one");
  dev->add_option("--service-flag", arguments->service_flags,
                  "SERVICE=--FLAG=VALUE: one more flag for a service; repeatable")
      ->allow_extra_args(false);
  dev->add_option("--replicas", arguments->replicas, "SERVICE=NUMBER: more than one process of a service; repeatable")
      ->allow_extra_args(false);
  dev->add_option("--grpc-port", arguments->grpc_ports,
                  "SERVICE=PORT: a fixed gRPC port for a service's first process; repeatable")
      ->allow_extra_args(false);
  dev->add_option("--via", arguments->via,
                  "SERVICE=HOST:PORT: where the others reach a service's first process, a proxy of yours; repeatable")
      ->allow_extra_args(false);
  dev->add_flag("--fresh", options.fresh, "Begin with no data");
  dev->add_flag("--detach", options.detach, "Return when everything runs; the log is beside the env file");
  dev->add_flag("--stop", arguments->stop, "Stop what runs for this env file");
  dev->footer(
      "When everything runs, --env-file (default .local/dev.env) says how to reach it.\n"
      "Ctrl-C or SIGTERM stops everything in order. A process that dies is started again.\n"
      "Examples:\n  fleetcast dev\n  fleetcast dev --detach --fresh\n  fleetcast dev --stop");
  dev->callback([&context, arguments] { context.exit_code = Run(context, *arguments); });
}

}  // namespace fleetcast::cli
