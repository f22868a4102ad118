#include "services/mqtt_edge/transport/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/check.h"
#include "libs/base/random.h"
#include "libs/base/strings.h"

namespace fleetcast::mqtt_edge {
namespace {

// One of the three secrets of a key.
template <size_t kSize>
void Derive(const std::string& secret, std::string_view purpose, std::array<unsigned char, kSize>& out) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  FLEETCAST_CHECK(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                       reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(), digest.data(),
                       nullptr) != nullptr);
  std::copy_n(digest.begin(), kSize, out.begin());
}

TicketKeys::Key MakeKey(const std::string& secret) {
  TicketKeys::Key key;
  Derive(secret, "fleetcast ticket name", key.name);
  Derive(secret, "fleetcast ticket cipher", key.cipher);
  Derive(secret, "fleetcast ticket mac", key.mac);
  return key;
}

bool SetMac(EVP_MAC_CTX* mac, const TicketKeys::Key& key) {
  char digest[] = "SHA256";
  auto* const bytes = const_cast<unsigned char*>(key.mac.data());  // OpenSSL copies it.
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes, key.mac.size()),
                                   OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                   OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): < 0 fails, 0 no ticket or none of ours, 1 good, 2 good and to be replaced.
int OnTicket(SSL* connection, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
             int is_sealing) {
  const auto* const owner = static_cast<const TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection)));
  const std::shared_ptr<const TicketKeys::Keys> keys = owner->Current();
  if (is_sealing != 0) {
    const TicketKeys::Key& key = keys->front();
    std::copy(key.name.begin(), key.name.end(), name);
    const bool good = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
                      EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) == 1 &&
                      SetMac(mac, key);
    return good ? 1 : -1;
  }
  const auto key = std::find_if(keys->begin(), keys->end(), [&](const TicketKeys::Key& each) {
    return std::memcmp(each.name.data(), name, each.name.size()) == 0;
  });
  if (key == keys->end()) return 0;
  const bool good =
      SetMac(mac, *key) && EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv) == 1;
  if (!good) return -1;
  return key == keys->begin() ? 1 : 2;
}

}  // namespace

TicketKeys::TicketKeys() : keys_(std::make_shared<const Keys>(Keys{MakeKey(RandomBytes(kKeyBytes))})) {}

absl::Status TicketKeys::Load(std::string_view text) {
  Keys keys;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(Absl(text), '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || absl::StartsWith(line, "#")) continue;
    std::string secret;
    if (!absl::Base64Unescape(line, &secret) || secret.size() != kKeyBytes) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, " is not base64 of ", kKeyBytes, " bytes"));
    }
    keys.push_back(MakeKey(secret));
  }
  if (keys.empty() || keys.size() > kKeysMax) {
    return absl::InvalidArgumentError(absl::StrCat("there must be 1 to ", kKeysMax, " keys"));
  }
  MutexLock lock(mutex_);
  keys_ = std::make_shared<const Keys>(std::move(keys));
  return absl::OkStatus();
}

void TicketKeys::Install(SSL_CTX* context) {
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, OnTicket);
}

std::shared_ptr<const TicketKeys::Keys> TicketKeys::Current() const {
  MutexLock lock(mutex_);
  return keys_;
}

}  // namespace fleetcast::mqtt_edge
