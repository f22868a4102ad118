// Secrets at rest: AES-256-GCM under keys from a file, so that a copy of the database alone tells nobody a device's
// key.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace fleetcast::auth {

inline constexpr size_t kSealingKeyBytes = 32;
inline constexpr size_t kSealingKeysMax = 16;

// Seals small secrets and opens them again. The first key seals, all of them open: to change keys, put a new line on
// top, seal everything anew, then take the old line out. Immutable, thread-safe.
class SealingKeys {
 public:
  // One key a line, base64 of 32 bytes; empty lines and lines that begin with # do not count. INVALID_ARGUMENT
  // (INVALID_KEY), without any of the text, for no key, more than kSealingKeysMax, a malformed or a repeated one.
  static absl::StatusOr<SealingKeys> FromText(std::string_view text);

  // `secret` sealed with the first key. It opens only with the same `context` (whose secret it is), so that nobody who
  // writes to the database can give one device the key of another. Different each time. 25 bytes and 16 of tag longer.
  std::string Seal(std::string_view secret, std::string_view context) const;

  // The secret. FAILED_PRECONDITION (UNKNOWN_SEALING_KEY) when none of our keys sealed it, DATA_LOSS (DAMAGED_SECRET)
  // when it was changed or belongs to another context.
  absl::StatusOr<std::string> Open(std::string_view sealed, std::string_view context) const;

  // Whether the first key sealed it.
  bool IsCurrent(std::string_view sealed) const;

  // Names of the keys, 16 hex digits made from each; no secret. The first seals.
  std::vector<std::string> ids() const;

  // The name of the key that sealed it; empty when it is not of our form.
  static std::string IdOf(std::string_view sealed);

 private:
  struct Key {
    std::string id;  // 8 bytes.
    std::string bytes;
  };

  explicit SealingKeys(std::vector<Key> keys) : keys_(std::move(keys)) {}

  std::vector<Key> keys_;  // Never empty.
};

}  // namespace fleetcast::auth
