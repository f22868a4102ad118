// The commands of this program. Each function adds one family to the command line; a command's callback runs while the
// line is parsed and leaves its exit code in the context.
#pragma once

#include "tools/fleetcast/context.h"

namespace CLI {
class App;
}  // namespace CLI

namespace fleetcast::cli {

void AddDevCommand(CLI::App& app, Context& context);
void AddJobCommands(CLI::App& app, Context& context);
void AddDeviceCommands(CLI::App& app, Context& context);
void AddMethodCommands(CLI::App& app, Context& context);
void AddModuleCommands(CLI::App& app, Context& context);
void AddTwinCommands(CLI::App& app, Context& context);  // Also `query`.
void AddEdgeCommands(CLI::App& app, Context& context);

}  // namespace fleetcast::cli
