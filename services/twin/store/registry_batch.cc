#include "services/twin/store/registry_batch.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/identity_writer.h"
#include "services/twin/store/transact_once.h"
#include "services/twin/store/twin_writer.h"

namespace fleetcast::twin {
namespace {

using postgres::Transaction;
using Kind = RegistryChange::Kind;
using Effect = RegistryResult::Effect;

// The changes of one kind of identity within one transaction: locks what exists, decides, and writes each sort of
// change with one statement.
class Batch {
 public:
  Batch(Transaction& transaction, IdentityKind kind, const KeyVault& vault)
      : transaction_(transaction), kind_(kind), vault_(vault) {}

  void Add(const RegistryChange& change, RegistryResult& result) {
    entries_.push_back({&change, &result, change.device.settings.identity().ToString(), {}, false});
  }

  absl::Status Run() {
    if (entries_.empty()) return absl::OkStatus();
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
    FLEETCAST_RETURN_IF_ERROR(LockDevices());
    FLEETCAST_RETURN_IF_ERROR(LockExisting());
    for (Entry& entry : entries_) Decide(entry);
    FLEETCAST_RETURN_IF_ERROR(RemoveIdentities(transaction_, kind_, removed_));
    FLEETCAST_RETURN_IF_ERROR(Create());
    FLEETCAST_RETURN_IF_ERROR(Update());
    return EditTwinsOf();
  }

 private:
  struct Entry {
    const RegistryChange* change;
    RegistryResult* result;
    std::string name;
    DeviceSettings settings;  // What an update writes.
    bool is_twin_changed = false;
  };

  // Modules exist only with their device, which must not go while they are written.
  absl::Status LockDevices() {
    if (kind_ == IdentityKind::kDevice) return absl::OkStatus();
    std::set<std::string> ids;
    for (const Entry& entry : entries_) ids.insert(entry.change->device.settings.device_id);
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<LockedDevice> devices,
                               LockDevicesOfModules(transaction_, {ids.begin(), ids.end()}));
    for (const LockedDevice& device : devices) modules_of_[device.device_id] = device.modules;
    return absl::OkStatus();
  }

  absl::Status LockExisting() {
    std::vector<Identity> identities;
    for (const Entry& entry : entries_) {
      if (entry.change->kind != Kind::kCreate) identities.push_back(entry.change->device.settings.identity());
    }
    FLEETCAST_ASSIGN_OR_RETURN(std::vector<DeviceRow> rows, LockIdentities(transaction_, kind_, identities));
    for (DeviceRow& row : rows) {
      std::string name = row.settings.identity().ToString();
      existing_.emplace(std::move(name), std::move(row));
    }
    return absl::OkStatus();
  }

  void Decide(Entry& entry) {
    const RegistryChange& change = *entry.change;
    const Identity identity = change.device.settings.identity();
    if (kind_ == IdentityKind::kModule && modules_of_.count(identity.device_id) == 0) {
      entry.result->status = DeviceNotFound(identity.device_id);
      return;
    }
    const auto found = existing_.find(entry.name);
    const bool creates =
        change.kind == Kind::kCreate || (change.kind == Kind::kCreateOrUpdate && found == existing_.end());
    if (creates) return DecideCreation(entry);
    if (found == existing_.end()) {
      entry.result->status = IdentityNotFound(identity);
      return;
    }
    if (change.kind == Kind::kEditTwin) return edited_.push_back(&entry);
    if (!change.condition.Matches(DeviceEtag(static_cast<uint64_t>(found->second.etag)))) {
      entry.result->status = IdentityEtagMismatch(identity);
      return;
    }
    if (change.kind == Kind::kDelete) {
      entry.result->effect = Effect::kDeleted;
      removed_.push_back(identity);
      if (kind_ == IdentityKind::kModule) --modules_of_[identity.device_id];
      return;
    }
    DecideUpdate(entry, found->second.settings);
  }

  void DecideCreation(Entry& entry) {
    const Identity identity = entry.change->device.settings.identity();
    if (kind_ == IdentityKind::kModule && ++modules_of_[identity.device_id] > kModulesPerDeviceMax) {
      --modules_of_[identity.device_id];
      entry.result->status = TooManyModules(identity);
      return;
    }
    created_.push_back(&entry);
  }

  void DecideUpdate(Entry& entry, const DeviceSettings& before) {
    const RegistryChange& change = *entry.change;
    entry.settings = change.device.settings;
    if (change.keeps_credentials && before.authentication_type == entry.settings.authentication_type) {
      absl::StatusOr<StoredKeys> keys = vault_.Renew(before.identity(), before.keys);
      if (!keys.ok()) {
        entry.result->status = keys.status();
        return;
      }
      entry.settings.keys = *std::move(keys);
      entry.settings.primary_thumbprint = before.primary_thumbprint;
      entry.settings.secondary_thumbprint = before.secondary_thumbprint;
    }
    const bool is_twin_given = change.edit.touches_tags() || change.edit.touches_desired();
    if (change.kind == Kind::kCreateOrUpdate && is_twin_given) edited_.push_back(&entry);
    if (change.kind == Kind::kCreateOrUpdate && IsSame(before, entry.settings)) return;
    updated_.push_back(&entry);
  }

  bool IsSame(const DeviceSettings& a, const DeviceSettings& b) const {
    const auto rest = [](const DeviceSettings& s) {
      return std::tie(s.managed_by, s.is_disabled, s.status_reason, s.authentication_type, s.primary_thumbprint,
                      s.secondary_thumbprint, s.is_iot_edge, s.device_scope, s.parent_scope);
    };
    return rest(a) == rest(b) && (a.keys.sealed == b.keys.sealed || vault_.AreSame(a.identity(), a.keys, b.keys));
  }

  absl::Status Create() {
    std::vector<const NewDevice*> devices;
    std::map<std::string, Entry*> waiting;
    for (Entry* entry : created_) {
      devices.push_back(&entry->change->device);
      waiting[entry->name] = entry;
    }
    FLEETCAST_ASSIGN_OR_RETURN(std::vector<DeviceRow> rows, CreateIdentities(transaction_, kind_, devices));
    for (DeviceRow& row : rows) {
      const auto found = waiting.find(row.settings.identity().ToString());
      found->second->result->effect = Effect::kCreated;
      found->second->result->row = std::move(row);
      waiting.erase(found);
    }
    for (const auto& [name, entry] : waiting) {
      entry->result->status = IdentityAlreadyExists(entry->change->device.settings.identity());
    }
    return absl::OkStatus();
  }

  absl::Status Update() {
    std::vector<const DeviceSettings*> settings;
    std::map<std::string, Entry*> waiting;
    for (Entry* entry : updated_) {
      settings.push_back(&entry->settings);
      waiting[entry->name] = entry;
    }
    FLEETCAST_ASSIGN_OR_RETURN(std::vector<DeviceRow> rows, UpdateIdentities(transaction_, kind_, settings));
    for (DeviceRow& row : rows) {
      RegistryResult& result = *waiting.at(row.settings.identity().ToString())->result;
      result.effect = Effect::kUpdated;
      result.row = std::move(row);
    }
    return absl::OkStatus();
  }

  absl::Status EditTwinsOf() {
    std::vector<NamedEdit> edits;
    for (Entry* entry : edited_) {
      edits.push_back({entry->name, &entry->change->edit, entry->change->twin_condition, &entry->is_twin_changed});
    }
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<absl::Status> statuses, EditTwins(transaction_, edits));
    for (size_t i = 0; i < edited_.size(); ++i) {
      edited_[i]->result->status = statuses[i];
      if (edited_[i]->is_twin_changed) edited_[i]->result->effect = Effect::kUpdated;
    }
    return absl::OkStatus();
  }

  Transaction& transaction_;
  const IdentityKind kind_;
  const KeyVault& vault_;
  std::vector<Entry> entries_;  // By name.
  std::map<std::string, int> modules_of_;
  std::map<std::string, DeviceRow> existing_;
  std::vector<Identity> removed_;
  std::vector<Entry*> created_, updated_, edited_;
};

}  // namespace

absl::StatusOr<std::vector<RegistryResult>> RegistryBatchStore::Apply(absl::Time deadline,
                                                                      const std::vector<RegistryChange>& changes) {
  FLEETCAST_CHECK(changes.size() <= kDevicesPerBatchMax);
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<RegistryResult> results, ApplyOnce(deadline, changes));
  // Somebody else created it between our look and our creation: now it is there to be updated.
  std::vector<RegistryChange> raced;
  std::vector<size_t> index;
  for (size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].kind != Kind::kCreateOrUpdate || !absl::IsAlreadyExists(results[i].status)) continue;
    raced.push_back(changes[i]);
    index.push_back(i);
  }
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<RegistryResult> again, ApplyOnce(deadline, raced));
  for (size_t i = 0; i < index.size(); ++i) results[index[i]] = std::move(again[i]);
  return results;
}

absl::StatusOr<std::vector<RegistryResult>> RegistryBatchStore::ApplyOnce(absl::Time deadline,
                                                                          const std::vector<RegistryChange>& changes) {
  if (changes.empty()) return std::vector<RegistryResult>();
  return TransactOnce(pool_, deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<RegistryResult>> {
    std::vector<RegistryResult> results(changes.size());
    Batch devices(transaction, IdentityKind::kDevice, vault_);
    Batch modules(transaction, IdentityKind::kModule, vault_);
    for (size_t i = 0; i < changes.size(); ++i) {
      const bool is_device = changes[i].device.settings.module_id.empty();
      (is_device ? devices : modules).Add(changes[i], results[i]);
    }
    FLEETCAST_RETURN_IF_ERROR(devices.Run());
    FLEETCAST_RETURN_IF_ERROR(modules.Run());
    return results;
  });
}

}  // namespace fleetcast::twin
