// Parse under the rules of a section. Internal to this folder.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "libs/json/json.h"
#include "libs/json/section_guard.h"

namespace fleetcast::json {

// As Parse; each token passes a SectionGuard before it is built, and what that skips is not built. What it refuses is
// INVALID_TWIN, with paths below the name of `section`.
absl::StatusOr<Value> ParseGuarded(std::string_view text, const Limits& limits, Section section);

}  // namespace fleetcast::json
