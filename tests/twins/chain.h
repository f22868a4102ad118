// The order of the writes between two states of one twin.
#pragma once

#include <functional>
#include <vector>

#include "tests/twins/state.h"

namespace fleetcast::twin_history {

// Writes between two known states, in their order. nullptr = some write whose place nobody was told.
using Slots = std::vector<const Operation*>;

// What may fill the open slots; each at most once.
struct Candidates {
  std::vector<const Operation*> ordered;   // All must be used, in this order.
  std::vector<const Operation*> required;  // All must be used.
  std::vector<const Operation*> optional;  // The rest is taken from these; better ones first.
};

// Fills the open slots so that they lead from `state` to one for which `is_target` holds. False when no way was found.
bool FillSlots(const State& state, Slots& slots, Candidates candidates,
               const std::function<bool(const State&)>& is_target);

}  // namespace fleetcast::twin_history
