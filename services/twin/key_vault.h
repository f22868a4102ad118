// The symmetric keys of devices and modules between their texts and their sealed form at rest.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "libs/auth/sealing.h"
#include "libs/model/ids.h"
#include "services/twin/store/device_rows.h"

namespace fleetcast::twin {

// Both keys of an identity, base64. Empty = none. Never logged.
struct KeyTexts {
  std::string primary;
  std::string secondary;

  friend bool operator==(const KeyTexts&, const KeyTexts&) = default;
};

// Seals pairs of keys for the identity that they belong to, and opens them. Immutable, thread-safe.
class KeyVault {
 public:
  explicit KeyVault(auth::SealingKeys keys) : keys_(std::move(keys)) {}

  // A vault with a random key that is lost with it: for tests.
  static KeyVault ForTests();

  StoredKeys Seal(const Identity& identity, const KeyTexts& keys) const;

  // Errors: those of auth::SealingKeys::Open.
  absl::StatusOr<KeyTexts> Open(const Identity& identity, const StoredKeys& stored) const;

  // `stored` sealed with the current key; as it is when it was already, or was empty. Errors as Open.
  absl::StatusOr<StoredKeys> Renew(const Identity& identity, const StoredKeys& stored) const;

  // Whether both hold the same keys; false when one cannot be opened.
  bool AreSame(const Identity& identity, const StoredKeys& a, const StoredKeys& b) const;

  // The keys that are known, current one first.
  const auth::SealingKeys& sealing_keys() const { return keys_; }

 private:
  auth::SealingKeys keys_;
};

}  // namespace fleetcast::twin
