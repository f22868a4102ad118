// Parse under the rules of a section. Internal to this folder.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/json/json.h"
#include "libs/json/section_guard.h"

namespace fleetcast::json {

// As Parse; each token passes `guard` before it is built, and what the guard skips is not built. What the guard refuses
// is INVALID_TWIN, with paths below the name of `section`.
absl::StatusOr<Value> ParseGuarded(std::string_view text, const Limits& limits, Section section);

// What INVALID_TWIN says: `fault` at `path` (as "a.b[2]") of the section.
absl::Status SectionRefusal(Section section, std::string_view path, std::string_view fault,
                            std::optional<size_t> position = std::nullopt);

}  // namespace fleetcast::json
