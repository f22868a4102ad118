// Identities, devices and modules alike, as the registry's tables hold them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/model/ids.h"
#include "libs/postgres/result.h"
#include "libs/postgres/statement.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {

// The symmetric keys of an identity as they are stored (key_vault.h). Clear texts are there only in rows of a version
// that did not seal, until the upkeep has seen them; nothing writes them any more.
struct StoredKeys {
  std::string sealed;  // Bytes; empty = none.
  std::string clear_primary;
  std::string clear_secondary;

  bool empty() const { return sealed.empty() && clear_primary.empty(); }
};

// What a client decides about a device or a module. Checked by device_settings.h.
struct DeviceSettings {
  std::string device_id;
  std::string module_id;   // Empty = the device itself.
  std::string managed_by;  // Of modules. Empty = none, as with all texts here.
  bool is_disabled = false;
  std::string status_reason;
  int16_t authentication_type = 1;  // registry.v1.Device.AuthenticationType
  StoredKeys keys;
  std::string primary_thumbprint;
  std::string secondary_thumbprint;
  bool is_iot_edge = false;
  std::string device_scope;  // Of the gateway that a leaf device stands behind.
  std::string parent_scope;  // Of the gateway that an edge device stands behind.

  Identity identity() const { return {device_id, module_id}; }
};

// A device or a module as it is stored.
struct DeviceRow {
  DeviceSettings settings;
  int64_t generation_id = 0;
  int64_t etag = 0;
  bool is_connected = false;
  std::optional<absl::Time> connection_state_update_time;
  std::optional<absl::Time> status_update_time;
  std::optional<absl::Time> last_activity_time;
  absl::Time create_time;
};

// An identity to be created, with its first twin.
struct NewDevice {
  DeviceSettings settings;
  TwinState twin;
  ReportedState reported = {};  // Null documents: nothing reported yet.
};

// Reads a row of the statements of identity_sql.h.
DeviceRow ReadDevice(const postgres::Row& row);
std::vector<DeviceRow> ReadDevices(const postgres::Result& rows);

// The ids of identities as two parallel arrays.
struct IdColumns {
  std::vector<std::string> device_id, module_id;

  void Add(const Identity& identity);
};

// Settings as parallel arrays, in the order of identity_sql.h. Keeps views of what was added.
struct SettingsColumns {
  IdColumns ids;
  std::vector<std::optional<std::string>> managed_by, status_reason, thumbprints[2], device_scope, parent_scope;
  std::vector<std::string> is_disabled, is_iot_edge;
  std::vector<int16_t> authentication_type;
  std::vector<std::optional<postgres::Bytes>> sealed_keys;

  void Add(const DeviceSettings& settings);
  void AddTo(postgres::Params& params) const;
};

// New identities as parallel arrays. Keeps views of what was added.
struct NewIdentityColumns {
  SettingsColumns settings;
  std::vector<int64_t> etag, version, desired_version, reported_version;
  std::vector<std::string> tags, desired, reported, desired_metadata, reported_metadata;

  void Add(const NewDevice& device);
  postgres::Params ToParams() const;
};

}  // namespace fleetcast::twin
