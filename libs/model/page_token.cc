#include "libs/model/page_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdint>

#include "absl/strings/escaping.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"

namespace fleetcast {
namespace {

// A token is base64url of: version (1 byte), signature (kSignatureBytes), position.
constexpr char kVersion = 1;
constexpr size_t kSignatureBytes = 16;  // HMAC-SHA256, cut: 128 bits.
constexpr size_t kKeyBytesMin = 16;

absl::Status Refused() {
  return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidPageToken,
                   "the page token is not one of this listing; start again without it");
}

// Appends `part` so that no two lists of parts give the same text.
void AppendFramed(std::string_view part, std::string* text) {
  for (int shift = 0; shift < 64; shift += 8) text->push_back(static_cast<char>((part.size() >> shift) & 0xff));
  text->append(part);
}

}  // namespace

PageTokens::PageTokens(std::string_view key) : key_(key) { FLEETCAST_CHECK(key_.size() >= kKeyBytesMin); }

std::string PageTokens::Sign(std::string_view position, const std::vector<std::string_view>& request) const {
  std::string text(1, kVersion);
  AppendFramed(position, &text);
  for (const std::string_view argument : request) AppendFramed(argument, &text);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_bytes = 0;
  const unsigned char* const made =
      HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &digest_bytes);
  FLEETCAST_CHECK(made != nullptr && digest_bytes >= kSignatureBytes);
  return std::string(reinterpret_cast<const char*>(digest), kSignatureBytes);
}

std::string PageTokens::Seal(std::string_view position, const std::vector<std::string_view>& request) const {
  FLEETCAST_CHECK(position.size() <= kPagePositionBytesMax);
  std::string token(1, kVersion);
  token += Sign(position, request);
  token += position;
  return absl::WebSafeBase64Escape(token);
}

absl::StatusOr<std::string> PageTokens::Open(std::string_view token,
                                             const std::vector<std::string_view>& request) const {
  std::string bytes;
  if (token.size() > kPageTokenBytesMax || !absl::WebSafeBase64Unescape(Absl(token), &bytes)) return Refused();
  // One position has one token: no second spelling of the same bytes.
  if (absl::WebSafeBase64Escape(bytes) != Absl(token)) return Refused();
  if (bytes.size() < 1 + kSignatureBytes || bytes[0] != kVersion) return Refused();
  std::string position = bytes.substr(1 + kSignatureBytes);
  if (position.size() > kPagePositionBytesMax) return Refused();
  const std::string signature = Sign(position, request);
  if (CRYPTO_memcmp(signature.data(), bytes.data() + 1, kSignatureBytes) != 0) return Refused();
  return position;
}

}  // namespace fleetcast
