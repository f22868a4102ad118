// For tests: what the registry would hold after an import, so that it can be exported again.
#pragma once

#include "libs/json/json.h"
#include "services/twin/store/export_store.h"
#include "services/twin/store/registry_batch.h"

namespace fleetcast::twin {

// The row of an identity that `change` creates. Precondition: it comes with a twin.
inline ExportRow RestoredRow(const RegistryChange& change, int64_t etag) {
  ExportRow row;
  row.identity.settings = change.device.settings;
  row.identity.etag = etag;
  row.twin_etag = change.device.twin.etag;
  row.desired_version = change.device.twin.desired_version;
  row.reported_version = change.device.reported.reported_version;
  row.tags = json::Print(change.device.twin.tags);
  row.desired = json::Print(change.device.twin.desired);
  row.reported = json::Print(change.device.reported.reported);
  row.desired_metadata = json::Print(change.device.twin.desired_metadata);
  row.reported_metadata = json::Print(change.device.reported.metadata);
  return row;
}

}  // namespace fleetcast::twin
