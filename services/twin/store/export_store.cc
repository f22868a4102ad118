#include "services/twin/store/export_store.h"

#include "libs/base/status_macros.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;

constexpr int kExportPage = 250;  // Stands in kDevices too.

#define FLEETCAST_EXPORT_COLUMNS                                                                                       \
  "d.device_id, d.generation_id, d.etag, d.disabled, d.status_reason, d.status_update_time, d.authentication_type, "   \
  "d.sealed_keys, d.primary_thumbprint, d.secondary_thumbprint, d.iot_edge, d.create_time, d.connected, "              \
  "d.connection_state_update_time, d.last_activity_time, t.etag AS twin_etag, t.desired_version, t.reported_version, " \
  "t.tags, t.desired, t.reported, t.desired_metadata, t.reported_metadata, "

// The limit is written out and the twins begin where the devices do: a plan for a page whose size it does not know
// would read all twins before the page, so that an export took the square of its time.
constexpr Statement kDevices{
    "twin_export_devices",
    "SELECT " FLEETCAST_EXPORT_COLUMNS
    "''::text AS module_id, NULL::text AS managed_by, d.primary_key, d.secondary_key, d.device_scope, d.parent_scope "
    "FROM (SELECT * FROM twin.device WHERE device_id > $1 ORDER BY device_id LIMIT 250) AS d "
    "JOIN twin.twin AS t ON t.device_id = d.device_id AND t.device_id > $1 ORDER BY d.device_id"};

constexpr Statement kModules{
    "twin_export_modules",
    "SELECT " FLEETCAST_EXPORT_COLUMNS
    "d.module_id, d.managed_by, NULL::text AS primary_key, NULL::text AS secondary_key, NULL::text AS device_scope, "
    "NULL::text AS parent_scope "
    "FROM twin.module AS d JOIN twin.module_twin AS t USING (device_id, module_id) "
    "WHERE d.device_id = ANY($1::text[]) ORDER BY d.device_id, d.module_id"};

constexpr Statement kEstimate{
    "twin_export_estimate", "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'twin.device'::regclass"};

std::vector<ExportRow> ReadRows(const Result& rows) {
  std::vector<ExportRow> out;
  out.reserve(static_cast<size_t>(rows.size()));
  for (const Row row : rows) {
    out.push_back({ReadDevice(row), row.Get<int64_t>("twin_etag"), row.Get<int64_t>("desired_version"),
                   row.Get<int64_t>("reported_version"), row.Get<std::string>("tags"), row.Get<std::string>("desired"),
                   row.Get<std::string>("reported"), row.Get<std::string>("desired_metadata"),
                   row.Get<std::string>("reported_metadata")});
  }
  return out;
}

}  // namespace

absl::StatusOr<ExportStore::Page> ExportStore::Read(absl::Time deadline, std::string_view after) {
  Page page;
  FLEETCAST_ASSIGN_OR_RETURN(const Result devices, pool_.Run(deadline, kDevices, after));
  page.devices = ReadRows(devices);
  page.is_last = devices.size() < kExportPage;
  if (page.devices.empty()) return page;
  std::vector<std::string> ids;
  for (const ExportRow& row : page.devices) ids.push_back(row.identity.settings.device_id);
  FLEETCAST_ASSIGN_OR_RETURN(const Result modules, pool_.Run(deadline, kModules, ids));
  page.modules = ReadRows(modules);
  return page;
}

absl::StatusOr<int64_t> ExportStore::EstimateDevices(absl::Time deadline) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kEstimate));
  return rows[0].Get<int64_t>(0);
}

}  // namespace fleetcast::twin
