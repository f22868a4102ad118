#include "services/twin/store/twin_rows.h"

namespace fleetcast::twin {

TwinRow ReadTwin(const postgres::Row& row) {
  TwinRow twin;
  int column = 0;
  const auto read = [&]<typename... Fields>(Fields&... fields) { ((fields = row.Get<Fields>(column++)), ...); };
  // In the order of FLEETCAST_TWIN_COLUMNS and the scopes.
  read(twin.device_id, twin.device_etag, twin.is_disabled, twin.status_reason, twin.status_update_time,
       twin.is_connected, twin.last_activity_time, twin.authentication_type, twin.primary_thumbprint,
       twin.secondary_thumbprint, twin.is_iot_edge, twin.etag, twin.version, twin.desired_version,
       twin.reported_version, twin.tags, twin.desired, twin.reported, twin.desired_metadata, twin.reported_metadata,
       twin.device_scope, twin.parent_scope);
  return twin;
}

}  // namespace fleetcast::twin
