// The version of this build.
#pragma once

#include <string_view>

namespace fleetcast::config {

// Of the project, with the commit when the build knows it: "0.1.0" or "0.1.0+1a2b3c4".
std::string_view Version();

}  // namespace fleetcast::config
