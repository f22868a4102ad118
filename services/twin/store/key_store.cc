#include "services/twin/store/key_store.h"

#include "absl/strings/escaping.h"
#include "libs/base/status_macros.h"

namespace fleetcast::twin {
namespace {

using postgres::Bytes;
using postgres::Result;
using postgres::Row;
using postgres::Statement;

constexpr int kKeyPage = 2000;  // Stands in the statements too.

constexpr Statement kAnnounce{"twin_key_announce",
                              "INSERT INTO twin.sealing_key (key_id) VALUES ($1) "
                              "ON CONFLICT (key_id) DO UPDATE SET last_use_time = now()"};
constexpr Statement kAnnounced{"twin_key_announced",
                               "SELECT key_id, extract(epoch FROM now() - last_use_time)::double precision AS age "
                               "FROM twin.sealing_key ORDER BY key_id"};
constexpr Statement kForget{"twin_key_forget",
                            "DELETE FROM twin.sealing_key WHERE key_id = $1 AND last_use_time < now() - $2::interval"};

// A page of identities by key, its size written out: a plan that does not know it may read the whole table. Those whose
// sealed keys do not begin with version and key id $3 come back.
constexpr Statement kKeyDevices{"twin_key_devices",
                                "SELECT device_id, ''::text AS module_id, primary_key, secondary_key, sealed_keys, "
                                "  primary_key IS NOT NULL OR substr(sealed_keys, 1, 9) <> $2::bytea AS is_other "
                                "FROM twin.device WHERE device_id > $1 ORDER BY device_id LIMIT 2000"};
constexpr Statement kKeyModules{
    "twin_key_modules",
    "SELECT device_id, module_id, NULL::text AS primary_key, NULL::text AS secondary_key, sealed_keys, "
    "  substr(sealed_keys, 1, 9) <> $3::bytea AS is_other "
    "FROM twin.module WHERE (device_id, module_id) > ($1, $2) ORDER BY device_id, module_id LIMIT 2000"};

constexpr Statement kReplaceDevices{
    "twin_key_replace_devices",
    "UPDATE twin.device AS d SET sealed_keys = u.sealed, primary_key = NULL, secondary_key = NULL "
    "FROM unnest($1::text[], $2::bytea[], $3::text[], $4::bytea[]) AS u(device_id, old_sealed, old_primary, sealed) "
    "WHERE d.device_id = u.device_id AND d.sealed_keys IS NOT DISTINCT FROM u.old_sealed "
    "AND d.primary_key IS NOT DISTINCT FROM u.old_primary"};
constexpr Statement kReplaceModules{
    "twin_key_replace_modules",
    "UPDATE twin.module AS d SET sealed_keys = u.sealed "
    "FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) AS u(device_id, module_id, old_sealed, sealed) "
    "WHERE d.device_id = u.device_id AND d.module_id = u.module_id AND d.sealed_keys = u.old_sealed"};

// How sealed keys of this key begin (libs/auth/sealing.h).
std::string HeadOf(const std::string& key_id) { return std::string(1, '\1') + absl::HexStringToBytes(key_id); }

std::optional<Bytes> BytesOrNull(const std::string& bytes) {
  return bytes.empty() ? std::nullopt : std::optional(Bytes{bytes});
}

}  // namespace

absl::Status KeyStore::Announce(absl::Time deadline, const std::string& key_id) {
  return pool_.Run(deadline, kAnnounce, key_id).status();
}

absl::StatusOr<std::vector<KeyStore::Announced>> KeyStore::ListAnnounced(absl::Time deadline) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kAnnounced));
  std::vector<Announced> keys;
  for (const Row row : rows) keys.push_back({row.Get<std::string>(0), absl::Seconds(row.Get<double>(1))});
  return keys;
}

absl::Status KeyStore::Forget(absl::Time deadline, const std::string& key_id, absl::Duration age) {
  return pool_.Run(deadline, kForget, key_id, age).status();
}

absl::StatusOr<KeyPage> KeyStore::FindOthers(absl::Time deadline, IdentityKind kind, const Identity& after,
                                             const std::string& key_id) {
  const std::string head = HeadOf(key_id);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows,
                             kind == IdentityKind::kDevice
                                 ? pool_.Run(deadline, kKeyDevices, after.device_id, Bytes{head})
                                 : pool_.Run(deadline, kKeyModules, after.device_id, after.module_id, Bytes{head}));
  KeyPage page;
  page.is_end = rows.size() < kKeyPage;
  for (const Row row : rows) {
    page.last = {row.Get<std::string>("device_id"), row.Get<std::string>("module_id")};
    if (!row.Get<std::optional<bool>>("is_other").value_or(false)) continue;
    page.rows.push_back({page.last,
                         {row.GetBytes("sealed_keys"), row.Get<std::optional<std::string>>("primary_key").value_or(""),
                          row.Get<std::optional<std::string>>("secondary_key").value_or("")}});
  }
  return page;
}

absl::StatusOr<int64_t> KeyStore::Replace(absl::Time deadline, IdentityKind kind,
                                          const std::vector<IdentityKeys>& before,
                                          const std::vector<StoredKeys>& after) {
  IdColumns ids;
  std::vector<std::optional<Bytes>> old_sealed, sealed;
  std::vector<std::optional<std::string>> old_primary;
  for (size_t i = 0; i < before.size(); ++i) {
    const StoredKeys& old = before[i].keys;
    ids.Add(before[i].identity);
    old_sealed.push_back(BytesOrNull(old.sealed));
    old_primary.push_back(old.clear_primary.empty() ? std::nullopt : std::optional(old.clear_primary));
    sealed.push_back(BytesOrNull(after[i].sealed));
  }
  FLEETCAST_ASSIGN_OR_RETURN(
      const Result done, kind == IdentityKind::kDevice
                             ? pool_.Run(deadline, kReplaceDevices, ids.device_id, old_sealed, old_primary, sealed)
                             : pool_.Run(deadline, kReplaceModules, ids.device_id, ids.module_id, old_sealed, sealed));
  return done.affected_rows();
}

}  // namespace fleetcast::twin
