// The size of a page, as all lists of this service read it.
#pragma once

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace fleetcast::twin {

inline constexpr int kPageSizeDefault = 100;
inline constexpr int kPageSizeMax = 1000;

// 0 is the default, too much is clamped, negative is INVALID_ARGUMENT.
inline absl::StatusOr<int> PageSize(int asked) {
  if (asked < 0) return absl::InvalidArgumentError(absl::StrCat("page_size ", asked, " is negative"));
  return asked == 0 ? kPageSizeDefault : std::min(asked, kPageSizeMax);
}

}  // namespace fleetcast::twin
