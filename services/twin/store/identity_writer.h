// What transactions do to identities of one kind, many at a time: the steps that the registry's stores are made of.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/postgres/transaction.h"
#include "services/twin/store/device_rows.h"

namespace fleetcast::twin {

// Whether a list holds devices or modules: never both.
enum class IdentityKind : uint8_t { kDevice, kModule };

inline constexpr int kModulesPerDeviceMax = 50;

// All of these: identities of one kind, each once. Those that the database does not have are left out of the answers.

// Locks rows in order of id, until the transaction ends. Modules: lock their devices first.
absl::StatusOr<std::vector<DeviceRow>> LockIdentities(postgres::Transaction& transaction, IdentityKind kind,
                                                      const std::vector<Identity>& identities);

// Creates those that do not exist yet, with their twins, and tells device_connection. Gives the new rows by id.
absl::StatusOr<std::vector<DeviceRow>> CreateIdentities(postgres::Transaction& transaction, IdentityKind kind,
                                                        const std::vector<const NewDevice*>& devices);

// Replaces settings, and tells device_connection: who is disabled now may not stay connected.
absl::StatusOr<std::vector<DeviceRow>> UpdateIdentities(postgres::Transaction& transaction, IdentityKind kind,
                                                        const std::vector<const DeviceSettings*>& settings);

// Removes identities and their twins, devices with their modules, and tells device_connection.
absl::Status RemoveIdentities(postgres::Transaction& transaction, IdentityKind kind,
                              const std::vector<Identity>& identities);

// Makes sure that nobody adds modules to these devices, or removes them, until the transaction ends.
struct LockedDevice {
  std::string device_id;
  int modules = 0;
};
absl::StatusOr<std::vector<LockedDevice>> LockDevicesOfModules(postgres::Transaction& transaction,
                                                               const std::vector<std::string>& device_ids);

// NOT_FOUND (DEVICE_NOT_FOUND, MODULE_NOT_FOUND), ALREADY_EXISTS (DEVICE_ALREADY_EXISTS, MODULE_ALREADY_EXISTS),
// ABORTED (ETAG_MISMATCH), FAILED_PRECONDITION (TOO_MANY_MODULES).
absl::Status IdentityNotFound(const Identity& identity);
absl::Status IdentityAlreadyExists(const Identity& identity);
absl::Status IdentityEtagMismatch(const Identity& identity);
absl::Status TooManyModules(const Identity& identity);

}  // namespace fleetcast::twin
