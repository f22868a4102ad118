// The command line of Fleetcast.
#include <algorithm>
#include <cstdio>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/config/version.h"
#include "tools/fleetcast/commands.h"
#include "tools/fleetcast/exit_codes.h"
#include "tools/fleetcast/suggest.h"

namespace fleetcast::cli {
namespace {

constexpr char kFooter[] =
    "The services are found by the endpoint flags, by FLEETCAST_GRPC_JOBS, FLEETCAST_GRPC_TWINS,\n"
    "FLEETCAST_GRPC_METHODS and FLEETCAST_GRPC_SESSIONS, or by the nearest .local/dev.env (scripts/dev).\n"
    "Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 3 Fleetcast cannot be reached,\n"
    "4 a watched job ended without success on every device, 130 interrupted.\n"
    "Examples:\n"
    "  fleetcast dev --detach\n"
    "  fleetcast device create d1\n"
    "  fleetcast job create lock-1 --method lockDoor --watch\n"
    "  fleetcast job executions lock-1 --state failed";

// The command that the words lead to as far as they are right, and the first word that is not.
const CLI::App* FindDeepest(const CLI::App& app, int argc, char** argv, std::string& wrong) {
  const CLI::App* at = &app;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.empty() || word[0] == '-') continue;
    const auto children = at->get_subcommands([](const CLI::App*) { return true; });
    if (children.empty()) break;
    const auto found =
        std::find_if(children.begin(), children.end(), [&](const CLI::App* c) { return c->check_name(word); });
    if (found == children.end()) {
      wrong = word;
      break;
    }
    at = *found;
  }
  return at;
}

std::string FullName(const CLI::App* app) {
  return app->get_parent() == nullptr ? "fleetcast" : absl::StrCat(FullName(app->get_parent()), " ", app->get_name());
}

int ExplainMistake(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::string wrong;
  const CLI::App* const deepest = FindDeepest(app, argc, argv, wrong);
  const std::string command = FullName(deepest);
  if (wrong.empty()) {
    std::fprintf(stderr, "error: %s\ntry:   %s --help\n", error.what(), command.c_str());
    return kExitUsage;
  }
  std::vector<std::string> names;
  for (const CLI::App* child : deepest->get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(child->get_name());
  }
  const std::string meant = Suggest(wrong, names);
  std::fprintf(stderr, "error: there is no command \"%s %s\"\ntry:   %s %s\n", command.c_str(), wrong.c_str(),
               command.c_str(), meant.empty() ? "--help" : meant.c_str());
  return kExitUsage;
}

int Main(int argc, char** argv) {
  Context context;
  CLI::App app("Fleetcast: one action over millions of devices, and how each of them ended.", "fleetcast");
  app.fallthrough();
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help for all commands");
  app.set_version_flag("--version", absl::StrCat("fleetcast ", Absl(config::Version())), "Print the version and exit");
  app.add_option("-o,--output", context.output, "table (for people), json (one document) or jsonl (a line each)")
      ->check(CLI::IsMember({"table", "json", "jsonl"}));
  app.add_option("--jobs-endpoint", context.endpoints.jobs, "HOST:PORT of job_api");
  app.add_option("--twins-endpoint", context.endpoints.twins, "HOST:PORT of twin (registry and twins)");
  app.add_option("--methods-endpoint", context.endpoints.methods, "HOST:PORT of method_dispatch");
  app.add_option("--sessions-endpoint", context.endpoints.sessions, "HOST:PORT of device_connection (edges)");
  app.add_option("--env-file", context.env_file, "The dev.env to use; default: the nearest .local/dev.env");
  app.footer(kFooter);
  AddDevCommand(app, context);
  AddJobCommands(app, context);
  AddDeviceCommands(app, context);
  AddModuleCommands(app, context);
  AddMethodCommands(app, context);
  AddTwinCommands(app, context);
  AddEdgeCommands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return ExplainMistake(app, error, argc, argv);
  }
  return context.exit_code;
}

}  // namespace
}  // namespace fleetcast::cli

int main(int argc, char** argv) { return fleetcast::cli::Main(argc, argv); }
