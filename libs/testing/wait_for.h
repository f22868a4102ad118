// Waiting in tests: for a condition, with a limit, never for a time.
#pragma once

#include <functional>

#include "absl/time/time.h"

namespace fleetcast::testing {

// Asks `condition` again and again, a few milliseconds apart, until it is true or `limit` has passed. Its last answer.
//   ASSERT_TRUE(WaitFor([&] { return calls == 2; }));
bool WaitFor(const std::function<bool()>& condition, absl::Duration limit = absl::Seconds(10));

}  // namespace fleetcast::testing
