#include "libs/testing/wait_for.h"

#include "libs/base/clock.h"

namespace fleetcast::testing {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(5);

}  // namespace

bool WaitFor(const std::function<bool()>& condition, absl::Duration limit) {
  const absl::Duration end = SystemClock().Monotonic() + limit;
  while (!condition()) {
    if (SystemClock().Monotonic() >= end) return condition();
    SystemClock().Sleep(kPause, {});
  }
  return true;
}

absl::Time Soon() { return SystemClock().Now() + kPatience; }

}  // namespace fleetcast::testing
