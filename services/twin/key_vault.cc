#include "services/twin/key_vault.h"

#include "absl/strings/str_cat.h"
#include "libs/auth/base64.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"

namespace fleetcast::twin {

KeyVault KeyVault::ForTests() {
  return KeyVault(*auth::SealingKeys::FromText(auth::Base64Encode(RandomBytes(auth::kSealingKeyBytes))));
}

StoredKeys KeyVault::Seal(const Identity& identity, const KeyTexts& keys) const {
  if (keys.primary.empty() && keys.secondary.empty()) return {};
  // Base64 has no line break.
  return {keys_.Seal(absl::StrCat(keys.primary, "\n", keys.secondary), identity.ToString()), "", ""};
}

absl::StatusOr<KeyTexts> KeyVault::Open(const Identity& identity, const StoredKeys& stored) const {
  if (stored.sealed.empty()) return KeyTexts{stored.clear_primary, stored.clear_secondary};
  const absl::StatusOr<std::string> texts = keys_.Open(stored.sealed, identity.ToString());
  if (!texts.ok()) {
    return MakeError(texts.status().code(), GetReason(texts.status()),
                     absl::StrCat(identity.ToString(), ": ", texts.status().message()));
  }
  const size_t end = texts->find('\n');
  return KeyTexts{texts->substr(0, end), end == std::string::npos ? "" : texts->substr(end + 1)};
}

absl::StatusOr<StoredKeys> KeyVault::Renew(const Identity& identity, const StoredKeys& stored) const {
  if (stored.empty() || keys_.IsCurrent(stored.sealed)) return stored;
  FLEETCAST_ASSIGN_OR_RETURN(const KeyTexts keys, Open(identity, stored));
  return Seal(identity, keys);
}

bool KeyVault::AreSame(const Identity& identity, const StoredKeys& a, const StoredKeys& b) const {
  if (a.empty() || b.empty()) return a.empty() == b.empty();
  const absl::StatusOr<KeyTexts> left = Open(identity, a);
  const absl::StatusOr<KeyTexts> right = Open(identity, b);
  return left.ok() && right.ok() && *left == *right;
}

}  // namespace fleetcast::twin
