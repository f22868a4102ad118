// Reading whole twins: shared by the stores that answer documents.
#pragma once

#include "libs/postgres/result.h"
#include "services/twin/twin_document.h"

namespace fleetcast::twin {

// An edge gateway's scope is made from its identity (EdgeScope in device_settings.cc). A leaf's parent is the gateway
// in whose scope it is.
#define FLEETCAST_DEVICE_SCOPE                                                                  \
  "(CASE WHEN d.iot_edge THEN 'ms-azure-iot-edge://' || d.device_id || '-' || d.generation_id " \
  "ELSE d.device_scope END)"
#define FLEETCAST_PARENT_SCOPE "coalesce(d.parent_scope, CASE WHEN NOT d.iot_edge THEN d.device_scope END)"

// The scopes that ReadTwin wants besides the columns below; modules have none.
#define FLEETCAST_DEVICE_SCOPES \
  ", " FLEETCAST_DEVICE_SCOPE " AS device_scope, " FLEETCAST_PARENT_SCOPE " AS parent_scope"
#define FLEETCAST_MODULE_SCOPES ", NULL::text AS device_scope, NULL::text AS parent_scope"

// The columns that ReadTwin wants, of `twin.twin AS t JOIN twin.device AS d USING (device_id)`.
#define FLEETCAST_TWIN_COLUMNS                                                                                      \
  "t.device_id, d.etag AS device_etag, d.disabled, d.status_reason, d.status_update_time, d.connected, "            \
  "d.last_activity_time, d.authentication_type, d.primary_thumbprint, d.secondary_thumbprint, d.iot_edge, t.etag, " \
  "t.version, t.desired_version, t.reported_version, t.tags, t.desired, t.reported, t.desired_metadata, "           \
  "t.reported_metadata"

// The twin in a row that begins with the columns above, the scopes after them. A page has thousands of values, so they
// are read by their places; the module id is left to the caller.
TwinRow ReadTwin(const postgres::Row& row);

}  // namespace fleetcast::twin
