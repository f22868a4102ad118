// Between std::string_view, which our interfaces speak, and absl::string_view, which is a class of its own in Debian's
// Abseil (built for C++14) and what StrCat, StrSplit and friends take.
#pragma once

#include <string_view>

#include "absl/strings/string_view.h"

namespace fleetcast {

// For arguments of Abseil's functions: absl::StrCat("no device ", Absl(id)).
inline absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

// For what Abseil's functions return.
inline std::string_view Std(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace fleetcast
