// Jobs and executions as what this tool prints. Pure.
#pragma once

#include <string>
#include <vector>

#include "fleetcast/jobs/v1/job.pb.h"
#include "tools/fleetcast/output.h"
#include "tools/fleetcast/progress.h"

namespace fleetcast::cli {

// "running" for STATE_RUNNING, "running (paused)" while it is paused.
std::string StateText(const jobs::v1::Job& job);
// Whether the job has ended.
bool IsTerminal(const jobs::v1::Job& job);
// Whether it completed and every device succeeded.
bool AllSucceeded(const jobs::v1::Job& job);
Counts CountsOf(const jobs::v1::Job& job);

// A job in a list, and in full with the names of its cells.
std::vector<std::string> JobHeadings();
Record JobRecord(const jobs::v1::Job& job);
std::vector<std::string> JobFieldNames();
Record JobDetails(const jobs::v1::Job& job);

// What a dry run found: "1,234 devices match, 1,100 connected", and some of them.
Record DryRunRecord(const jobs::v1::CreateJobResponse& response);
std::string DryRunText(const jobs::v1::CreateJobResponse& response);

std::vector<std::string> ExecutionHeadings();
Record ExecutionRecord(const jobs::v1::Execution& execution);

}  // namespace fleetcast::cli
