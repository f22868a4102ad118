#include "libs/auth/sealing.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/auth/base64.h"
#include "libs/base/check.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"

namespace fleetcast::auth {
namespace {

// version 1 | key id 8 | nonce 12 | ciphertext | tag 16
constexpr char kVersion = 1;
constexpr size_t kIdBytes = 8;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kHeadBytes = 1 + kIdBytes + kNonceBytes;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* In(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* Out(std::string& bytes, size_t at) { return reinterpret_cast<unsigned char*>(bytes.data()) + at; }
int Length(std::string_view bytes) { return static_cast<int>(bytes.size()); }

// One per thread: making and freeing one costs more than a small secret.
EVP_CIPHER_CTX* Cipher() {
  thread_local Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  FLEETCAST_CHECK(context != nullptr);
  return context.get();
}

std::string IdOfKey(std::string_view key) {
  std::string text = absl::StrCat("fleetcast sealing key ", Absl(key));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  FLEETCAST_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  OPENSSL_cleanse(text.data(), text.size());
  return std::string(reinterpret_cast<const char*>(digest.data()), kIdBytes);
}

bool HasOurForm(std::string_view sealed) {
  return sealed.size() >= kHeadBytes + kTagBytes && sealed.front() == kVersion;
}

absl::Status BadFile(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidKey,
                   absl::StrCat("the file of key encryption keys ", Absl(what)));
}

}  // namespace

absl::StatusOr<SealingKeys> SealingKeys::FromText(std::string_view text) {
  std::vector<Key> keys;
  for (const absl::string_view raw : absl::StrSplit(Absl(text), '\n')) {
    const absl::string_view line = absl::StripAsciiWhitespace(raw);
    if (line.empty() || line.front() == '#') continue;
    std::optional<std::string> bytes = Base64Decode(Std(line));
    if (!bytes.has_value() || bytes->size() != kSealingKeyBytes) {
      return BadFile("needs one key a line: base64 of 32 bytes (openssl rand -base64 32)");
    }
    std::string id = IdOfKey(*bytes);
    if (std::any_of(keys.begin(), keys.end(), [&](const Key& key) { return key.id == id; })) {
      return BadFile("names a key twice");
    }
    keys.push_back({std::move(id), *std::move(bytes)});
  }
  if (keys.empty()) return BadFile("has no key");
  if (keys.size() > kSealingKeysMax) return BadFile(absl::StrCat("has more than ", kSealingKeysMax, " keys"));
  return SealingKeys(std::move(keys));
}

std::string SealingKeys::Seal(std::string_view secret, std::string_view context) const {
  const Key& key = keys_.front();
  const std::string nonce = RandomBytes(kNonceBytes);
  std::string sealed = absl::StrCat(absl::string_view(&kVersion, 1), key.id, nonce);
  sealed.resize(kHeadBytes + secret.size() + kTagBytes);
  EVP_CIPHER_CTX* const cipher = Cipher();
  int written = 0;
  bool is_good = EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), nullptr, In(key.bytes), In(nonce)) == 1 &&
                 EVP_EncryptUpdate(cipher, nullptr, &written, In(context), Length(context)) == 1 &&
                 EVP_EncryptUpdate(cipher, Out(sealed, kHeadBytes), &written, In(secret), Length(secret)) == 1 &&
                 EVP_EncryptFinal_ex(cipher, Out(sealed, kHeadBytes + secret.size()), &written) == 1 &&
                 EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTagBytes),
                                     Out(sealed, kHeadBytes + secret.size())) == 1;
  FLEETCAST_CHECK(is_good);
  return sealed;
}

absl::StatusOr<std::string> SealingKeys::Open(std::string_view sealed, std::string_view context) const {
  const auto damaged = [] {
    return MakeError(absl::StatusCode::kDataLoss, reasons::kDamagedSecret, "a sealed secret is damaged or misplaced");
  };
  if (!HasOurForm(sealed)) return damaged();
  const std::string_view id = sealed.substr(1, kIdBytes);
  const auto key = std::find_if(keys_.begin(), keys_.end(), [id](const Key& one) { return one.id == id; });
  if (key == keys_.end()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, reasons::kUnknownSealingKey,
                     absl::StrCat("a secret was sealed with the key ", IdOf(sealed), ", which is not in the key file"));
  }
  const std::string_view nonce = sealed.substr(1 + kIdBytes, kNonceBytes);
  const std::string_view body = sealed.substr(kHeadBytes, sealed.size() - kHeadBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string secret(body.size(), '\0');
  EVP_CIPHER_CTX* const cipher = Cipher();
  int written = 0;
  const bool is_good =
      EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), nullptr, In(key->bytes), In(nonce)) == 1 &&
      EVP_DecryptUpdate(cipher, nullptr, &written, In(context), Length(context)) == 1 &&
      EVP_DecryptUpdate(cipher, Out(secret, 0), &written, In(body), Length(body)) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, static_cast<int>(kTagBytes), tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher, Out(secret, body.size()), &written) == 1;
  if (!is_good) return damaged();
  return secret;
}

bool SealingKeys::IsCurrent(std::string_view sealed) const {
  return HasOurForm(sealed) && sealed.substr(1, kIdBytes) == keys_.front().id;
}

std::vector<std::string> SealingKeys::ids() const {
  std::vector<std::string> ids;
  for (const Key& key : keys_) ids.push_back(absl::BytesToHexString(key.id));
  return ids;
}

std::string SealingKeys::IdOf(std::string_view sealed) {
  if (!HasOurForm(sealed)) return "";
  return absl::BytesToHexString(Absl(sealed.substr(1, kIdBytes)));
}

}  // namespace fleetcast::auth
