// The entry of the Redis stream that a telemetry message becomes: docs/telemetry.md lists its fields.
#pragma once

#include <string>
#include <vector>

#include "services/mqtt_edge/sink/telemetry_record.h"

namespace fleetcast::mqtt_edge {

// Names and values in turn, in the order in which they are written. Pure.
std::vector<std::string> StreamFields(const TelemetryRecord& record);

}  // namespace fleetcast::mqtt_edge
