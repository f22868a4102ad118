// Many changes of the registry in one transaction, each of which stands for itself: bulk requests and imports.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/model/etag.h"
#include "libs/postgres/pool.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/device_rows.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {

// What shall become of one device or module.
struct RegistryChange {
  enum class Kind : uint8_t {
    kCreate,  // With `device.twin`.
    kUpdate,
    kCreateOrUpdate,  // One that exists: only what differs, and `edit` on its twin.
    kDelete,
    kEditTwin,  // `edit`
  };
  Kind kind = Kind::kCreate;
  NewDevice device;
  EtagCondition condition;  // Of the identity: for updates and deletions of one that exists.
  TwinEdit edit;
  EtagCondition twin_condition;
  // The credentials of one that exists stay as they are: none were given.
  bool keeps_credentials = false;
};

// What became of it.
struct RegistryResult {
  enum class Effect : uint8_t { kNone, kCreated, kUpdated, kDeleted };
  absl::Status status;
  Effect effect = Effect::kNone;  // kNone when nothing differed or it failed.
  std::optional<DeviceRow> row;   // After a creation or an update of the identity, not of its twin alone.
};

// Thread-safe.
class RegistryBatchStore {
 public:
  RegistryBatchStore(postgres::Pool& pool, const KeyVault& vault) : pool_(pool), vault_(vault) {}

  // Applies `changes` (each identity once, at most kDevicesPerBatchMax): devices, then modules, so that a module may
  // come with its device. Gives one result per change; the failure of one does not touch the others. The outer status
  // is that of the database: then nothing was changed.
  absl::StatusOr<std::vector<RegistryResult>> Apply(absl::Time deadline, const std::vector<RegistryChange>& changes);

 private:
  absl::StatusOr<std::vector<RegistryResult>> ApplyOnce(absl::Time deadline,
                                                        const std::vector<RegistryChange>& changes);

  postgres::Pool& pool_;
  const KeyVault& vault_;
};

}  // namespace fleetcast::twin
