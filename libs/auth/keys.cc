#include "libs/auth/keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <optional>

#include "libs/auth/base64.h"
#include "libs/base/check.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"

namespace fleetcast::auth {

absl::StatusOr<Key> Key::FromBase64(std::string_view text) {
  std::optional<std::string> bytes = Base64Decode(text);
  if (!bytes.has_value() || bytes->size() < kKeyBytesMin || bytes->size() > kKeyBytesMax) {
    return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidKey,
                     "a key must be base64 of 16 to 64 bytes");
  }
  return Key(*std::move(bytes));
}

Key Key::Generate() { return Key(RandomBytes(kGeneratedKeyBytes)); }

std::string Key::ToBase64() const { return Base64Encode(bytes_); }

std::string Key::Sign(std::string_view text) const {
  if (bytes_.empty()) return "";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  const unsigned char* done =
      HMAC(EVP_sha256(), bytes_.data(), static_cast<int>(bytes_.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  FLEETCAST_CHECK(done != nullptr);
  return std::string(reinterpret_cast<const char*>(digest.data()), size);
}

bool ConstantTimeEquals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace fleetcast::auth
