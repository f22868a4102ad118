// Symmetric keys of devices and policies, and the one operation they exist for.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace fleetcast::auth {

// Bounds of a key's bytes (service-rest.md 11.1); keys that we make have kGeneratedKeyBytes.
inline constexpr size_t kKeyBytesMin = 16;
inline constexpr size_t kKeyBytesMax = 64;
inline constexpr size_t kGeneratedKeyBytes = 32;

// A secret key. It cannot be printed, formatted or compared by accident; whoever needs its text says so. Immutable,
// thread-safe.
class Key {
 public:
  // No key: signs nothing, verifies nothing.
  Key() = default;

  // From base64 of 16 to 64 bytes; else INVALID_ARGUMENT with reason INVALID_KEY, without the text.
  static absl::StatusOr<Key> FromBase64(std::string_view text);

  // A new random key, fit for credentials.
  static Key Generate();

  bool empty() const { return bytes_.empty(); }

  // The key as base64, for the registry's answers and for files. A secret: never for logs.
  std::string ToBase64() const;

  // HMAC-SHA256 of `text`: 32 bytes. Of an empty key: nothing.
  std::string Sign(std::string_view text) const;

 private:
  explicit Key(std::string bytes) : bytes_(std::move(bytes)) {}

  std::string bytes_;
};

// Two keys, so that one can be changed while the other is in use. Either may be empty.
struct KeyPair {
  Key primary;
  Key secondary;

  static KeyPair Generate() { return {Key::Generate(), Key::Generate()}; }
};

// Whether two secrets are equal, in a time that depends only on their lengths.
bool ConstantTimeEquals(std::string_view a, std::string_view b);

}  // namespace fleetcast::auth
