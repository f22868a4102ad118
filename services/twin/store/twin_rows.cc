#include "services/twin/store/twin_rows.h"

namespace fleetcast::twin {

TwinRow ReadTwin(const postgres::Row& row) {
  TwinRow twin;
  twin.device_id = row.Get<std::string>("device_id");
  twin.device_etag = row.Get<int64_t>("device_etag");
  twin.is_disabled = row.Get<bool>("disabled");
  twin.status_reason = row.Get<std::optional<std::string>>("status_reason");
  twin.status_update_time = row.Get<std::optional<absl::Time>>("status_update_time");
  twin.is_connected = row.Get<bool>("connected");
  twin.last_activity_time = row.Get<std::optional<absl::Time>>("last_activity_time");
  twin.authentication_type = row.Get<int16_t>("authentication_type");
  twin.primary_thumbprint = row.Get<std::optional<std::string>>("primary_thumbprint");
  twin.secondary_thumbprint = row.Get<std::optional<std::string>>("secondary_thumbprint");
  twin.is_iot_edge = row.Get<bool>("iot_edge");
  twin.device_scope = row.Get<std::optional<std::string>>("device_scope");
  twin.parent_scope = row.Get<std::optional<std::string>>("parent_scope");
  twin.etag = row.Get<int64_t>("etag");
  twin.version = row.Get<int64_t>("version");
  twin.desired_version = row.Get<int64_t>("desired_version");
  twin.reported_version = row.Get<int64_t>("reported_version");
  twin.tags = row.Get<std::string>("tags");
  twin.desired = row.Get<std::string>("desired");
  twin.reported = row.Get<std::string>("reported");
  twin.desired_metadata = row.Get<std::string>("desired_metadata");
  twin.reported_metadata = row.Get<std::string>("reported_metadata");
  return twin;
}

}  // namespace fleetcast::twin
