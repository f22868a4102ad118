#include "services/twin/store/device_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/model/reasons.h"
#include "services/twin/store/outbox.h"
#include "services/twin/store/transact_once.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

#define FLEETCAST_DEVICE_COLUMNS                                                                                    \
  "device_id, generation_id, etag, disabled, status_reason, status_update_time, authentication_type, primary_key, " \
  "secondary_key, primary_thumbprint, secondary_thumbprint, iot_edge, create_time, connected, "                     \
  "connection_state_update_time, last_activity_time"

// .NET ticks, as IoT Hub's generation ids look: unique for one device as long as time goes on.
#define FLEETCAST_NEW_GENERATION "((extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 10 + 621355968000000000)"

constexpr Statement kCreate{
    "twin_device_create",
    "WITH given AS MATERIALIZED ("
    "  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[], "
    "    $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::jsonb[], $14::jsonb[], "
    "$15::jsonb[]) "
    "  AS given(device_id, disabled, status_reason, authentication_type, primary_key, secondary_key, "
    "    primary_thumbprint, secondary_thumbprint, iot_edge, etag, version, desired_version, tags, desired, metadata) "
    "  ORDER BY device_id COLLATE \"C\"), "
    "created AS ("
    "  INSERT INTO twin.device (device_id, generation_id, etag, disabled, status_reason, authentication_type, "
    "    primary_key, secondary_key, primary_thumbprint, secondary_thumbprint, iot_edge) "
    "  SELECT device_id, " FLEETCAST_NEW_GENERATION
    ", nextval('twin.device_etag'), disabled::boolean, status_reason, "
    "    authentication_type, primary_key, secondary_key, primary_thumbprint, secondary_thumbprint, iot_edge::boolean "
    "  FROM given ON CONFLICT (device_id) DO NOTHING RETURNING " FLEETCAST_DEVICE_COLUMNS
    "), "
    "twins AS ("
    "  INSERT INTO twin.twin (device_id, etag, version, desired_version, reported_version, session_epoch, tags, "
    "desired, "
    "    reported, desired_metadata, reported_metadata) "
    "  SELECT device_id, given.etag, version, desired_version, 1, coalesce(old.session_epoch + 1, 0), tags, desired, "
    "    '{}', metadata, $16::jsonb "
    "  FROM created JOIN given USING (device_id) LEFT JOIN twin.deleted_device old USING (device_id)) "
    "SELECT * FROM created ORDER BY device_id COLLATE \"C\""};

constexpr Statement kGet{"twin_device_get",
                         "SELECT " FLEETCAST_DEVICE_COLUMNS " FROM twin.device WHERE device_id = $1"};

constexpr Statement kLock{"twin_device_lock",
                          "SELECT " FLEETCAST_DEVICE_COLUMNS " FROM twin.device WHERE device_id = $1 FOR UPDATE"};

constexpr Statement kList{"twin_device_list", "SELECT " FLEETCAST_DEVICE_COLUMNS
                                              " FROM twin.device WHERE device_id > $1 ORDER BY device_id LIMIT $2"};

constexpr Statement kUpdate{
    "twin_device_update",
    "UPDATE twin.device SET etag = nextval('twin.device_etag'), disabled = $2, status_reason = $3, "
    "status_update_time = CASE WHEN disabled <> $2 THEN now() ELSE status_update_time END, authentication_type = $4, "
    "primary_key = $5, secondary_key = $6, primary_thumbprint = $7, secondary_thumbprint = $8, iot_edge = $9 "
    "WHERE device_id = $1 RETURNING " FLEETCAST_DEVICE_COLUMNS};

constexpr Statement kDelete{
    "twin_device_delete",
    "WITH gone AS (DELETE FROM twin.device WHERE device_id = $1 RETURNING presence_epoch, subscriptions_epoch), "
    "twin_gone AS (DELETE FROM twin.twin WHERE device_id = $1 RETURNING session_epoch) "
    "INSERT INTO twin.deleted_device (device_id, session_epoch) "
    "SELECT $1, greatest(presence_epoch, subscriptions_epoch, session_epoch) FROM gone, twin_gone "
    "ON CONFLICT (device_id) DO UPDATE SET session_epoch = greatest(twin.deleted_device.session_epoch, "
    "excluded.session_epoch), delete_time = now()"};

constexpr Statement kCount{"twin_device_count",
                           "SELECT count(*), count(*) FILTER (WHERE disabled), count(*) FILTER (WHERE connected) "
                           "FROM twin.device"};

std::string OrEmpty(const std::optional<std::string>& text) { return text.value_or(""); }
std::optional<std::string> OrNull(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

DeviceRow ReadDevice(const Row& row) {
  DeviceRow device;
  DeviceSettings& settings = device.settings;
  settings.device_id = row.Get<std::string>("device_id");
  settings.is_disabled = row.Get<bool>("disabled");
  settings.status_reason = OrEmpty(row.Get<std::optional<std::string>>("status_reason"));
  settings.authentication_type = row.Get<int16_t>("authentication_type");
  settings.primary_key = OrEmpty(row.Get<std::optional<std::string>>("primary_key"));
  settings.secondary_key = OrEmpty(row.Get<std::optional<std::string>>("secondary_key"));
  settings.primary_thumbprint = OrEmpty(row.Get<std::optional<std::string>>("primary_thumbprint"));
  settings.secondary_thumbprint = OrEmpty(row.Get<std::optional<std::string>>("secondary_thumbprint"));
  settings.is_iot_edge = row.Get<bool>("iot_edge");
  device.generation_id = row.Get<int64_t>("generation_id");
  device.etag = row.Get<int64_t>("etag");
  device.is_connected = row.Get<bool>("connected");
  device.connection_state_update_time = row.Get<std::optional<absl::Time>>("connection_state_update_time");
  device.status_update_time = row.Get<std::optional<absl::Time>>("status_update_time");
  device.last_activity_time = row.Get<std::optional<absl::Time>>("last_activity_time");
  device.create_time = row.Get<absl::Time>("create_time");
  return device;
}

std::vector<DeviceRow> ReadDevices(const Result& rows) {
  std::vector<DeviceRow> devices;
  devices.reserve(rows.size());
  for (const Row row : rows) devices.push_back(ReadDevice(row));
  return devices;
}

// The columns of kCreate, as arrays.
struct NewDeviceColumns {
  std::vector<std::string> id, is_disabled, is_iot_edge, tags, desired, metadata;
  std::vector<std::optional<std::string>> status_reason, keys[2], thumbprints[2];
  std::vector<int16_t> authentication_type;
  std::vector<int64_t> etag, version, desired_version;

  void Add(const NewDevice& device) {
    const DeviceSettings& settings = device.settings;
    id.push_back(settings.device_id);
    is_disabled.push_back(settings.is_disabled ? "t" : "f");
    is_iot_edge.push_back(settings.is_iot_edge ? "t" : "f");
    status_reason.push_back(OrNull(settings.status_reason));
    authentication_type.push_back(settings.authentication_type);
    keys[0].push_back(OrNull(settings.primary_key));
    keys[1].push_back(OrNull(settings.secondary_key));
    thumbprints[0].push_back(OrNull(settings.primary_thumbprint));
    thumbprints[1].push_back(OrNull(settings.secondary_thumbprint));
    etag.push_back(device.twin.etag);
    version.push_back(device.twin.version);
    desired_version.push_back(device.twin.desired_version);
    tags.push_back(json::Print(device.twin.tags));
    desired.push_back(json::Print(device.twin.desired));
    metadata.push_back(json::Print(device.twin.desired_metadata));
  }
};

}  // namespace

absl::Status DeviceNotFound(std::string_view device_id) {
  return MakeError(absl::StatusCode::kNotFound, reasons::kDeviceNotFound,
                   absl::StrCat("Device ", Absl(device_id), " not registered"), {{"device", std::string(device_id)}});
}

absl::Status DeviceAlreadyExists(std::string_view device_id) {
  return MakeError(absl::StatusCode::kAlreadyExists, reasons::kDeviceAlreadyExists,
                   absl::StrCat("A device with ID '", Absl(device_id), "' is already registered."),
                   {{"device", std::string(device_id)}});
}

absl::Status EtagMismatch(std::string_view device_id) {
  return MakeError(absl::StatusCode::kAborted, reasons::kEtagMismatch,
                   absl::StrCat("ETag mismatch for device ID '", Absl(device_id), "'"),
                   {{"device", std::string(device_id)}});
}

absl::StatusOr<std::vector<DeviceRow>> DeviceStore::Create(absl::Time deadline, const std::vector<NewDevice>& devices) {
  if (devices.empty()) return std::vector<DeviceRow>();
  NewDeviceColumns c;
  for (const NewDevice& device : devices) c.Add(device);
  // Nobody has reported yet: the metadata of reported is that of a fresh twin made in the same moment.
  const std::string fresh_metadata = json::Print(FreshTwin(absl::Now()).desired_metadata);
  return TransactOnce(pool_, deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<DeviceRow>> {
    FLEETCAST_ASSIGN_OR_RETURN(
        const Result rows,
        transaction.Run(kCreate, c.id, c.is_disabled, c.status_reason, c.authentication_type, c.keys[0], c.keys[1],
                        c.thumbprints[0], c.thumbprints[1], c.is_iot_edge, c.etag, c.version, c.desired_version, c.tags,
                        c.desired, c.metadata, fresh_metadata));
    std::vector<DeviceRow> created = ReadDevices(rows);
    std::vector<std::string> ids;
    for (const DeviceRow& device : created) ids.push_back(device.settings.device_id);
    FLEETCAST_RETURN_IF_ERROR(AppendRecordChange(transaction, ids, false));
    return created;
  });
}

absl::StatusOr<DeviceRow> DeviceStore::Get(absl::Time deadline, std::string_view device_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kGet, device_id));
  if (rows.empty()) return DeviceNotFound(device_id);
  return ReadDevice(rows[0]);
}

absl::StatusOr<std::vector<DeviceRow>> DeviceStore::List(absl::Time deadline, std::string_view after, int limit) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kList, after, limit));
  return ReadDevices(rows);
}

absl::StatusOr<DeviceRow> DeviceStore::Update(absl::Time deadline, const DeviceSettings& settings,
                                              const EtagCondition& condition) {
  return TransactOnce(pool_, deadline, [&](Transaction& transaction) -> absl::StatusOr<DeviceRow> {
    FLEETCAST_ASSIGN_OR_RETURN(const Result before, transaction.Run(kLock, settings.device_id));
    if (before.empty()) return DeviceNotFound(settings.device_id);
    const auto etag = static_cast<uint64_t>(before[0].Get<int64_t>("etag"));
    if (!condition.Matches(DeviceEtag(etag))) return EtagMismatch(settings.device_id);
    FLEETCAST_ASSIGN_OR_RETURN(
        const Result rows,
        transaction.Run(kUpdate, settings.device_id, settings.is_disabled, OrNull(settings.status_reason),
                        settings.authentication_type, OrNull(settings.primary_key), OrNull(settings.secondary_key),
                        OrNull(settings.primary_thumbprint), OrNull(settings.secondary_thumbprint),
                        settings.is_iot_edge));
    FLEETCAST_RETURN_IF_ERROR(AppendRecordChange(transaction, {settings.device_id}, settings.is_disabled));
    return ReadDevice(rows[0]);
  });
}

absl::Status DeviceStore::Delete(absl::Time deadline, std::string_view device_id, const EtagCondition& condition) {
  return TransactOnce(pool_, deadline,
                      [&](Transaction& transaction) -> absl::StatusOr<bool> {
                        FLEETCAST_ASSIGN_OR_RETURN(const Result before, transaction.Run(kLock, device_id));
                        if (before.empty()) return DeviceNotFound(device_id);
                        const auto etag = static_cast<uint64_t>(before[0].Get<int64_t>("etag"));
                        if (!condition.Matches(DeviceEtag(etag))) return EtagMismatch(device_id);
                        FLEETCAST_RETURN_IF_ERROR(transaction.Run(kDelete, device_id).status());
                        FLEETCAST_RETURN_IF_ERROR(AppendRecordChange(transaction, {std::string(device_id)}, true));
                        return true;
                      })
      .status();
}

absl::StatusOr<DeviceCounts> DeviceStore::Count(absl::Time deadline) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kCount));
  return DeviceCounts{rows[0].Get<int64_t>(0), rows[0].Get<int64_t>(1), rows[0].Get<int64_t>(2)};
}

}  // namespace fleetcast::twin
