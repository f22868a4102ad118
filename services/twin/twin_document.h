// Twins as JSON text: for service clients (service-rest.md 9.1) and for devices (device-mqtt.md 4.4). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace fleetcast::twin {

// Everything that a twin's document shows. JSON members hold text as the database gives it.
struct TwinRow {
  std::string device_id;
  std::string module_id;  // Empty = the device's own twin.
  int64_t device_etag = 0;
  bool is_disabled = false;
  std::optional<std::string> status_reason;
  std::optional<absl::Time> status_update_time;
  bool is_connected = false;
  std::optional<absl::Time> last_activity_time;
  int16_t authentication_type = 1;
  std::optional<std::string> primary_thumbprint;
  std::optional<std::string> secondary_thumbprint;
  bool is_iot_edge = false;
  std::optional<std::string> device_scope;  // Of the edge gateway that it stands behind, or that it is.
  std::optional<std::string> parent_scope;
  int64_t etag = 0;
  int64_t version = 0;
  int64_t desired_version = 0;
  int64_t reported_version = 0;
  std::string tags;
  std::string desired;
  std::string reported;
  std::string desired_metadata;
  std::string reported_metadata;
};

// The whole twin.
std::string TwinDocument(const TwinRow& row);

// Appends one section of properties with its $metadata and $version.
void AppendSection(std::string_view document, std::string_view metadata, int64_t version, std::string& out);

// Appends the member `properties` and its comma: both sections of a row that has them.
template <typename Row>
void AppendProperties(const Row& row, std::string& out) {
  out.append(",\"properties\":{\"desired\":");
  AppendSection(row.desired, row.desired_metadata, row.desired_version, out);
  out.append(",\"reported\":");
  AppendSection(row.reported, row.reported_metadata, row.reported_version, out);
  out.push_back('}');
}

// {"desired":{…,"$version":n},"reported":{…,"$version":m}}
std::string DeviceTwinDocument(std::string_view desired, int64_t desired_version, std::string_view reported,
                               int64_t reported_version);

// A time as service clients see it; "never" where there is none.
std::string WireTime(const std::optional<absl::Time>& time);

}  // namespace fleetcast::twin
