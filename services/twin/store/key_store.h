// Which keys seal what is at rest, and sealing it anew: the database's side of key_upkeep.h.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/postgres/pool.h"
#include "services/twin/store/identity_writer.h"

namespace fleetcast::twin {

// The keys of one identity as they are stored.
struct IdentityKeys {
  Identity identity;
  StoredKeys keys;
};

// What one look through the identities found.
struct KeyPage {
  std::vector<IdentityKeys> rows;  // In order of id.
  Identity last;                   // Of the rows that were looked at.
  bool is_end = false;
};

// Thread-safe.
class KeyStore {
 public:
  explicit KeyStore(postgres::Pool& pool) : pool_(pool) {}

  // Says that this key seals now.
  absl::Status Announce(absl::Time deadline, const std::string& key_id);

  // The keys that may have sealed something that is still there.
  struct Announced {
    std::string key_id;
    absl::Duration age;  // Since a process last said that it seals with it.
  };
  absl::StatusOr<std::vector<Announced>> ListAnnounced(absl::Time deadline);
  // Nothing is sealed with this key any more, unless a process has said that it seals with it within `age`.
  absl::Status Forget(absl::Time deadline, const std::string& key_id, absl::Duration age);

  // The keys after `after` that were not sealed with `key_id` (16 hex digits): of the next 2,000 identities.
  absl::StatusOr<KeyPage> FindOthers(absl::Time deadline, IdentityKind kind, const Identity& after,
                                     const std::string& key_id);

  // Puts `after[i]` where `before[i]` still stands. Gives how many did. Nothing else about an identity changes, and
  // nobody is told: the keys are the same.
  absl::StatusOr<int64_t> Replace(absl::Time deadline, IdentityKind kind, const std::vector<IdentityKeys>& before,
                                  const std::vector<StoredKeys>& after);

 private:
  postgres::Pool& pool_;
};

}  // namespace fleetcast::twin
