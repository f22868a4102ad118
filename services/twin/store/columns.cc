#include "services/twin/store/columns.h"

namespace fleetcast::twin {
namespace {

using query::ColumnType;

constexpr query::Column kColumns[] = {
    {"deviceId", "t.device_id", ColumnType::kText},
    {"etag", "encode(int8send(t.etag), 'base64')", ColumnType::kText, false, kUsesTwin},
    {"deviceEtag", "encode(convert_to(d.etag::text, 'UTF8'), 'base64')", ColumnType::kText, false, kUsesDevice},
    {"status", "(CASE WHEN d.disabled THEN 'disabled' ELSE 'enabled' END)", ColumnType::kText, false, kUsesDevice},
    {"statusReason", "d.status_reason", ColumnType::kText, false, kUsesDevice},
    {"statusUpdateTime", "coalesce(d.status_update_time, '0001-01-01T00:00:00Z')", ColumnType::kTime, false,
     kUsesDevice},
    {"connectionState", "(CASE WHEN d.connected THEN 'Connected' ELSE 'Disconnected' END)", ColumnType::kText, false,
     kUsesDevice},
    {"lastActivityTime", "coalesce(d.last_activity_time, '0001-01-01T00:00:00Z')", ColumnType::kTime, false,
     kUsesDevice},
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
    {"capabilities", "", ColumnType::kObject},
    {"capabilities.iotEdge", "d.iot_edge", ColumnType::kBool, false, kUsesDevice},
    {"tags", "t.tags", ColumnType::kJson, true, kUsesTwin},
    {"properties", "", ColumnType::kObject},
    {"properties.desired", "t.desired", ColumnType::kJson, false, kUsesTwin},
    {"properties.desired.$version", "t.desired_version", ColumnType::kNumber, false, kUsesTwin},
    {"properties.desired.$metadata", "t.desired_metadata", ColumnType::kJson, false, kUsesTwin},
    {"properties.reported", "t.reported", ColumnType::kJson, false, kUsesTwin},
    {"properties.reported.$version", "t.reported_version", ColumnType::kNumber, false, kUsesTwin},
    {"properties.reported.$metadata", "t.reported_metadata", ColumnType::kJson, false, kUsesTwin},
};

}  // namespace

std::span<const query::Column> TwinColumns() { return kColumns; }

std::string FromClause(uint32_t uses) {
  switch (uses) {
    // Both tables hold every device; the small one, whose rows seldom change, is read from its key alone.
    case 0: return "FROM twin.device AS t";
    case kUsesTwin: return "FROM twin.twin AS t";
    default: return "FROM twin.twin AS t JOIN twin.device AS d USING (device_id)";
  }
}

}  // namespace fleetcast::twin
