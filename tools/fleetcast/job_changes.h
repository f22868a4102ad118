// `fleetcast job cancel|pause|resume|update`.
#pragma once

#include "tools/fleetcast/context.h"

namespace CLI {
class App;
}  // namespace CLI

namespace fleetcast::cli {

void AddChangeCommands(CLI::App& jobs, Context& context);

}  // namespace fleetcast::cli
