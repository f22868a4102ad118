#include "libs/base/seeded_bug.h"

#include <cstdlib>
#include <iterator>
#include <string_view>

#include "libs/base/check.h"

namespace fleetcast {
namespace {

// In the order of SeededBug.
constexpr std::string_view kNames[] = {
    "",
    "skip-epoch-check",
    "ack-before-commit",
    "delete-any-session",
    "notify-without-order",
    "count-twice",
    "answer-from-any-session",
    "continue-after-cancel",
    "drop-notification",
    "wall-clock-lease",
    "lease-forgets-intents",
};

// A name that nobody knows would make a test of the tests pass for nothing: it ends the process.
SeededBug Chosen() {
  const char* const name = std::getenv("FLEETCAST_SEEDED_BUG");
  if (name == nullptr) return SeededBug::kNone;
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<SeededBug>(i);
  }
  FLEETCAST_CHECK(false);
  return SeededBug::kNone;
}

}  // namespace

bool IsSeeded(SeededBug bug) {
  static const SeededBug chosen = Chosen();
  return chosen == bug;
}

}  // namespace fleetcast
