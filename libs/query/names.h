// How keywords, functions and members of queries compare. Internal to this folder.
#pragma once

#include <string_view>

#include "absl/strings/match.h"
#include "libs/base/strings.h"

namespace fleetcast::query {

// Whether both spell the same name: case does not count.
inline bool IsSame(std::string_view a, std::string_view b) { return absl::EqualsIgnoreCase(Absl(a), Absl(b)); }

}  // namespace fleetcast::query
