#include "libs/auth/thumbprint.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "libs/auth/keys.h"
#include "libs/base/check.h"
#include "libs/base/strings.h"

namespace fleetcast::auth {
namespace {

constexpr size_t kSha1HexDigits = 40;
constexpr size_t kSha256HexDigits = 64;

std::string HexDigest(const EVP_MD* algorithm, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  FLEETCAST_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, algorithm, nullptr) == 1);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

}  // namespace

bool IsThumbprint(std::string_view text) {
  return (text.size() == kSha1HexDigits || text.size() == kSha256HexDigits) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
}

bool MatchesThumbprint(std::string_view registered, std::string_view der) {
  if (!IsThumbprint(registered)) return false;
  const EVP_MD* algorithm = registered.size() == kSha1HexDigits ? EVP_sha1() : EVP_sha256();
  return ConstantTimeEquals(absl::AsciiStrToLower(Absl(registered)), HexDigest(algorithm, der));
}

}  // namespace fleetcast::auth
