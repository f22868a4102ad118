// Messages of the public API as what this tool prints: JSON with plain numbers and embedded documents, and table cells.
// Here: what all of them share, and devices. Jobs: describe_job.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/fleetcast/output.h"

namespace google::protobuf {
class Duration;
class Timestamp;
}  // namespace google::protobuf
namespace fleetcast::registry::v1 {
class Device;
}  // namespace fleetcast::registry::v1

namespace fleetcast::cli {

// RFC 3339 in UTC with milliseconds.
std::string FormatInstant(const google::protobuf::Timestamp& stamp);
// "1h30m".
std::string FormatSpan(const google::protobuf::Duration& span);
// "STATE_TIMED_OUT" with the prefix "STATE_" as "timed_out".
std::string PlainName(const std::string& name, std::string_view prefix);
// A text that is not too long for a cell: longer ones are cut.
std::string Cut(std::string text);
// Sets a member unless `text` is empty.
void SetText(json::Value& object, std::string_view key, const std::string& text);

// Keys are shown when the message has them.
std::vector<std::string> DeviceHeadings();
std::vector<std::string> DeviceFieldNames();
Record DeviceRecord(const registry::v1::Device& device);

// JSON text as a value; text that is none becomes a string.
json::Value Document(std::string_view text);

}  // namespace fleetcast::cli
