// Messages of the public API as what this tool prints: JSON with plain numbers and embedded documents, and table cells.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/fleetcast/output.h"
#include "tools/fleetcast/progress.h"

namespace fleetcast::jobs::v1 {
class Execution;
class Job;
class JobStatistics;
}  // namespace fleetcast::jobs::v1
namespace fleetcast::registry::v1 {
class Device;
}  // namespace fleetcast::registry::v1

namespace fleetcast::cli {

// "running" for STATE_RUNNING.
std::string StateName(const jobs::v1::Job& job);
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

std::vector<std::string> ExecutionHeadings();
Record ExecutionRecord(const jobs::v1::Execution& execution);

// Keys are shown when the message has them.
std::vector<std::string> DeviceHeadings();
std::vector<std::string> DeviceFieldNames();
Record DeviceRecord(const registry::v1::Device& device);

// JSON text as a value; text that is none becomes a string.
json::Value Document(std::string_view text);

}  // namespace fleetcast::cli
