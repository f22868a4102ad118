// Reading whole twins: shared by the stores that answer documents.
#pragma once

#include "libs/postgres/result.h"
#include "services/twin/twin_document.h"

namespace fleetcast::twin {

// The columns that ReadTwin wants, of `twin.twin AS t JOIN twin.device AS d USING (device_id)`.
#define FLEETCAST_TWIN_COLUMNS                                                                                      \
  "t.device_id, d.etag AS device_etag, d.disabled, d.status_reason, d.status_update_time, d.connected, "            \
  "d.last_activity_time, d.authentication_type, d.primary_thumbprint, d.secondary_thumbprint, d.iot_edge, t.etag, " \
  "t.version, t.desired_version, t.reported_version, t.tags, t.desired, t.reported, t.desired_metadata, "           \
  "t.reported_metadata"

TwinRow ReadTwin(const postgres::Row& row);

}  // namespace fleetcast::twin
