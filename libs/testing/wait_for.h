// Waiting in tests: for a condition, with a limit, never for a time.
#pragma once

#include <functional>

#include "absl/time/time.h"

namespace fleetcast::testing {

// How long a test waits for what must happen before it fails. Long, because only a failure takes that long, and a
// machine with as many builds as cores takes seconds for what is usually done in milliseconds.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// Asks `condition` again and again, a few milliseconds apart, until it is true or `limit` has passed. Its last answer.
//   ASSERT_TRUE(WaitFor([&] { return calls == 2; }));
bool WaitFor(const std::function<bool()>& condition, absl::Duration limit = kPatience);

// A deadline for a call that should be answered at once: kPatience from now.
absl::Time Soon();

}  // namespace fleetcast::testing
