// `fleetcast job create` and `fleetcast job retry`.
#pragma once

#include "tools/fleetcast/context.h"

namespace CLI {
class App;
}  // namespace CLI

namespace fleetcast::cli {

void AddCreateCommand(CLI::App& jobs, Context& context);
void AddRetryCommand(CLI::App& jobs, Context& context);

}  // namespace fleetcast::cli
