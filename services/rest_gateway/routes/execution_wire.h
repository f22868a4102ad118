// Per-device job records between the wire (service-rest.md 6) and jobs.v1. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fleetcast/jobs/v1/job.pb.h"

namespace fleetcast::rest_gateway {

// One row of `devices.jobs`.
std::string PrintExecution(const jobs::v1::Execution& execution);

// The status of a row in this state. The wire knows no `timedout`: it is a failure with a code that says so.
std::string_view StatusName(jobs::v1::Execution::State state);

// The states that a row of this status has; empty when no row ever has it.
std::vector<jobs::v1::Execution::State> StatesOfStatus(std::string_view status);

}  // namespace fleetcast::rest_gateway
