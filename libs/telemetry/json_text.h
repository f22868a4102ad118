// JSON strings for log lines.
#pragma once

#include <string>
#include <string_view>

namespace fleetcast::telemetry {

// Appends `text` as a JSON string with quotes. Control characters and bytes that are not valid UTF-8 are escaped (the
// latter as \u00xx of the byte), so that every line is valid JSON. More than `bytes_max` bytes are cut, with "…".
void AppendJsonString(std::string_view text, size_t bytes_max, std::string* out);

}  // namespace fleetcast::telemetry
