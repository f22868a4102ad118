#include "libs/config/version.h"

namespace fleetcast::config {

std::string_view Version() { return FLEETCAST_VERSION; }

}  // namespace fleetcast::config
