// The rules T1 to T5 and T7 to T10 of reliability 2.4, judged over a history of concurrent writes. Pure.
//
// The root `version` of a twin counts every write of it, so the answers put all writes in one order; between two
// answers the checker looks for writes (of jobs, whose answers show no version, and of calls whose end nobody knows)
// that lead from one state to the other.
#pragma once

#include <vector>

#include "tests/twins/history.h"

namespace fleetcast::twin_history {

// Empty when every rule holds. `history` must be complete: nobody writes any more.
std::vector<Violation> Check(const History& history);

}  // namespace fleetcast::twin_history
