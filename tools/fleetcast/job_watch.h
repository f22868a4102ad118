// Follows a job until it ends.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "tools/fleetcast/context.h"

namespace fleetcast::cli {

// Shows the job's progress: a live line on a terminal, JSON lines on standard output otherwise or when asked for. Comes
// back after a lost connection. Sets context.exit_code when the job ended without success everywhere, or when the user
// interrupts; the job itself is never touched.
absl::Status WatchJob(Context& context, const std::string& job_id);

}  // namespace fleetcast::cli
