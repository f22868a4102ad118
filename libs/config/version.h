// The version of this build.
#pragma once

#include <string_view>

namespace fleetcast::config {

// Of the project, from the top CMakeLists.txt: "0.1.0".
std::string_view Version();

}  // namespace fleetcast::config
