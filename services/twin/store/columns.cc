#include "services/twin/store/columns.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/strings.h"
#include "services/twin/store/twin_rows.h"

namespace fleetcast::twin {
namespace {

using query::Column;
using query::ColumnType;

// A time, and how documents show it (json::TwinTime): seven fractional digits, the year 1 for never.
#define FLEETCAST_TIME(column) "coalesce(" column ", '0001-01-01T00:00:00Z')"
#define FLEETCAST_TIME_TEXT(column)                                                \
  "(CASE WHEN " column " IS NULL THEN '0001-01-01T00:00:00Z' ELSE to_char(" column \
  " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') || '0Z' END)"

constexpr Column kCommonColumns[] = {
    {"deviceId", "t.device_id", ColumnType::kText},
    {"etag", "encode(int8send(t.etag), 'base64')", ColumnType::kText, false, kUsesTwin},
    {"deviceEtag", "encode(convert_to(d.etag::text, 'UTF8'), 'base64')", ColumnType::kText, false, kUsesDevice},
    {"status", "(CASE WHEN d.disabled THEN 'disabled' ELSE 'enabled' END)", ColumnType::kText, false, kUsesDevice},
    {"statusReason", "d.status_reason", ColumnType::kText, false, kUsesDevice},
    {"statusUpdateTime", FLEETCAST_TIME("d.status_update_time"), ColumnType::kTime, false, kUsesDevice,
     FLEETCAST_TIME_TEXT("d.status_update_time")},
    {"connectionState", "(CASE WHEN d.connected THEN 'Connected' ELSE 'Disconnected' END)", ColumnType::kText, false,
     kUsesDevice},
    {"lastActivityTime", FLEETCAST_TIME("d.last_activity_time"), ColumnType::kTime, false, kUsesDevice,
     FLEETCAST_TIME_TEXT("d.last_activity_time")},
    {"cloudToDeviceMessageCount", "0", ColumnType::kNumber},
    {"authenticationType",
     "(CASE d.authentication_type WHEN 2 THEN 'selfSigned' WHEN 3 THEN 'certificateAuthority' ELSE 'sas' END)",
     ColumnType::kText, false, kUsesDevice},
    {"x509Thumbprint", "", ColumnType::kObject},
    {"x509Thumbprint.primaryThumbprint", "coalesce(to_jsonb(d.primary_thumbprint), 'null')", ColumnType::kJson, false,
     kUsesDevice},
    {"x509Thumbprint.secondaryThumbprint", "coalesce(to_jsonb(d.secondary_thumbprint), 'null')", ColumnType::kJson,
     false, kUsesDevice},
    {"modelId", "''::text", ColumnType::kText},
    {"version", "t.version", ColumnType::kNumber, false, kUsesTwin},
    // Documents without tags do not show the member.
    {"tags", "t.tags", ColumnType::kJson, true, kUsesTwin, "", "nullif(t.tags, '{}')"},
    {"properties", "", ColumnType::kObject},
    {"properties.desired", "t.desired", ColumnType::kJson, false, kUsesTwin},
    {"properties.desired.$version", "t.desired_version", ColumnType::kNumber, false, kUsesTwin},
    {"properties.desired.$metadata", "t.desired_metadata", ColumnType::kJson, false, kUsesTwin},
    {"properties.reported", "t.reported", ColumnType::kJson, false, kUsesTwin},
    {"properties.reported.$version", "t.reported_version", ColumnType::kNumber, false, kUsesTwin},
    {"properties.reported.$metadata", "t.reported_metadata", ColumnType::kJson, false, kUsesTwin},
};

constexpr Column kDeviceColumns[] = {
    {"capabilities", "", ColumnType::kObject},
    {"capabilities.iotEdge", "d.iot_edge", ColumnType::kBool, false, kUsesDevice},
    {"deviceScope", FLEETCAST_DEVICE_SCOPE, ColumnType::kText, false, kUsesDevice},
    {"parentScopes",
     "(CASE WHEN " FLEETCAST_PARENT_SCOPE " IS NOT NULL THEN jsonb_build_array(" FLEETCAST_PARENT_SCOPE ") END)",
     ColumnType::kJson, false, kUsesDevice},
};

constexpr Column kModuleColumns[] = {
    {"moduleId", "t.module_id", ColumnType::kText},
};

constexpr Column kIndexableColumns[] = {
    {"tags", "tags", ColumnType::kJson},
    {"properties.desired", "desired", ColumnType::kJson},
    {"properties.desired.$metadata", "desired_metadata", ColumnType::kJson},
    {"properties.reported", "reported", ColumnType::kJson},
    {"properties.reported.$metadata", "reported_metadata", ColumnType::kJson},
};

std::vector<Column> CommonAnd(std::span<const Column> own) {
  std::vector<Column> columns(std::begin(kCommonColumns), std::end(kCommonColumns));
  columns.insert(columns.end(), own.begin(), own.end());
  return columns;
}

}  // namespace

const Source& SourceOf(query::Collection collection) {
  static const std::vector<Column> device_columns = CommonAnd(kDeviceColumns);
  static const std::vector<Column> module_columns = CommonAnd(kModuleColumns);
  static const Source devices = {device_columns, "t.device_id", "(t.device_id || '')",
                                 false,          "twin.twin",   "twin.device"};
  static const Source modules = {module_columns, "t.device_id, t.module_id", "(t.device_id || ''), (t.module_id || '')",
                                 true,           "twin.module_twin",         "twin.module"};
  FLEETCAST_CHECK(collection != query::Collection::kJobs);
  return collection == query::Collection::kModules ? modules : devices;
}

std::string_view KeyColumns(const Source& source) { return source.has_modules ? "device_id, module_id" : "device_id"; }

bool JoinsRegistry(uint32_t uses) { return (uses & kUsesDevice) != 0; }

std::string JoinOfRegistry(const Source& source) {
  return absl::StrCat(" JOIN ", Absl(source.registry), " AS d USING (", Absl(KeyColumns(source)), ")");
}

std::string FromClause(const Source& source, uint32_t uses) {
  if (JoinsRegistry(uses)) return absl::StrCat("FROM ", Absl(source.documents), " AS t", JoinOfRegistry(source));
  // Both tables hold every row; the narrow one, whose rows seldom change, is read from its key alone.
  return absl::StrCat("FROM ", Absl(uses == kUsesTwin ? source.documents : source.registry), " AS t");
}

std::span<const query::Column> IndexableColumns() { return kIndexableColumns; }

}  // namespace fleetcast::twin
