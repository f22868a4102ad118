#include <algorithm>
#include <filesystem>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/fleetcast/commands.h"
#include "tools/fleetcast/dev/dev_command.h"

namespace fleetcast::cli {
namespace {

// Where this program is: the services are beside it.
std::string OwnDirectory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

// "scheduler=--lease=2s" as an extra flag of that service.
absl::Status AddServiceFlags(const std::vector<std::string>& arguments, dev::StackOptions& stack) {
  for (const std::string& argument : arguments) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(argument, absl::MaxSplits('=', 1));
    const auto& services = dev::Services();
    const bool known =
        std::any_of(services.begin(), services.end(), [&](const auto& s) { return s.name == parts.first; });
    if (!known || parts.second.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--service-flag: \"", argument, "\"\ntry:   --service-flag scheduler=--log-level=debug"));
    }
    stack.extra_flags[parts.first].push_back(parts.second);
  }
  return absl::OkStatus();
}

struct Arguments {
  dev::DevOptions options;
  std::vector<std::string> service_flags;
  bool stop = false;
};

int Run(Context& context, Arguments& arguments) {
  if (!context.env_file.empty()) arguments.options.env_file = context.env_file;
  if (arguments.stop) return dev::StopDev(arguments.options.env_file);
  if (arguments.options.stack.bin_dir.empty()) arguments.options.stack.bin_dir = OwnDirectory();
  if (const absl::Status status = AddServiceFlags(arguments.service_flags, arguments.options.stack); !status.ok()) {
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
