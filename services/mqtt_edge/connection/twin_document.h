// The little that the edge needs to know of twin documents: JSON is text until somebody needs it.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace fleetcast::mqtt_edge {

// The value of the top-level member "desired" of `document`, a JSON object of our own making (TwinReadResult). Empty
// when there is none. The text is not validated.
std::string_view DesiredSection(std::string_view document);

// The JSON error object of a twin operation that the edge itself refuses (device-mqtt.md 4.7). `message` is a sentence
// of ours, without quotes or backslashes.
std::string TwinError(int status, std::string_view message, absl::Time now);

}  // namespace fleetcast::mqtt_edge
