#include "services/mqtt_edge/transport/client_certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/auth/certificate_time.h"
#include "libs/telemetry/log.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr int kSecurityLevel = 2;  // Of OpenSSL: RSA of 2,048 bits, elliptic curves of 224, no SHA-1.
constexpr size_t kTicketChainBytesMax =
    8192;  // Longer chains are not kept: such a client has to do without resumption.

template <typename T, void (*Free)(T*)>
struct Freed {
  void operator()(T* value) const { Free(value); }
};
template <typename T, void (*Free)(T*)>
using Owned = std::unique_ptr<T, Freed<T, Free>>;

using Certificate = Owned<X509, X509_free>;

struct ChainFreed {
  void operator()(STACK_OF(X509) * chain) const { sk_X509_pop_free(chain, X509_free); }
};
using Chain = std::unique_ptr<STACK_OF(X509), ChainFreed>;

std::string Digest(const X509* certificate, const EVP_MD* algorithm) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, algorithm, digest, &size) != 1) return "";
  const absl::string_view bytes(reinterpret_cast<const char*>(digest), size);
  return absl::AsciiStrToUpper(absl::BytesToHexString(bytes));
}

std::string CommonName(const X509* certificate) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, index) >= 0) return "";
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
  if (size < 0) return "";
  std::string name(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
  OPENSSL_free(text);
  return name;
}

// Never valid when a date makes no sense.
void NarrowValidity(const X509* certificate, ClientCertificate* client) {
  client->valid_from = std::max(client->valid_from, auth::NotBefore(certificate, absl::InfiniteFuture()));
  client->valid_until = std::min(client->valid_until, auth::NotAfter(certificate, absl::InfinitePast()));
}

// Whether `leaf` chains to one of `authorities`, with the help of what the client sent. Dates are not looked at: they
// narrow the validity of `client`.
bool Verify(X509_STORE* authorities, X509* leaf, STACK_OF(X509) * sent, ClientCertificate* client) {
  const Owned<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  if (context == nullptr || X509_STORE_CTX_init(context.get(), authorities, leaf, sent) != 1) return false;
  X509_VERIFY_PARAM* const how = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_depth(how, ClientAuthorities::kDepthMax);
  X509_VERIFY_PARAM_set_auth_level(how, kSecurityLevel);
  X509_VERIFY_PARAM_set_purpose(how, X509_PURPOSE_SSL_CLIENT);
  const bool is_signed = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!is_signed) return false;
  STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(context.get());
  // A certificate that is listed itself chains to nobody: thumbprints are for those.
  if (sk_X509_num(chain) < 2) return false;
  for (int i = 0; i < sk_X509_num(chain); ++i) NarrowValidity(sk_X509_value(chain, i), client);
  return true;
}

// The intermediates that the client sent, one DER after the other.
std::string ToDer(const STACK_OF(X509) * chain) {
  std::string all;
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(sk_X509_value(chain, i), &der);
    if (size < 0) return "";
    all.append(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
    OPENSSL_free(der);
  }
  return all;
}

// What ToDer made; nothing of what comes after a mistake.
Chain FromDer(const unsigned char* der, size_t bytes) {
  Chain chain(sk_X509_new_null());
  const unsigned char* const end = der + bytes;
  while (der < end) {
    X509* const certificate = d2i_X509(nullptr, &der, static_cast<long>(end - der));
    if (certificate == nullptr) break;
    if (sk_X509_push(chain.get(), certificate) == 0) X509_free(certificate);
  }
  ERR_clear_error();
  return chain;
}

// When a ticket is made. A session that was resumed has no chain, but still what the ticket brought.
int PutChainIntoTicket(SSL* connection, void*) {
  const STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(connection);
  if (chain == nullptr || sk_X509_num(chain) == 0) return 1;
  const std::string der = ToDer(chain);
  if (der.empty() || der.size() > kTicketChainBytesMax) return 1;
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(connection), der.data(), der.size());
}

// What OpenSSL does without a callback.
SSL_TICKET_RETURN TakeTicket(SSL*, SSL_SESSION*, const unsigned char*, size_t, SSL_TICKET_STATUS status, void*) {
  switch (status) {
    case SSL_TICKET_SUCCESS: return SSL_TICKET_RETURN_USE;
    case SSL_TICKET_SUCCESS_RENEW: return SSL_TICKET_RETURN_USE_RENEW;
    default: return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
}

// The certificates that the client sent, now or when the session began.
Chain SentChain(SSL* connection) {
  if (STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(connection); chain != nullptr) {
    return Chain(X509_chain_up_ref(chain));
  }
  void* der = nullptr;
  size_t bytes = 0;
  SSL_SESSION* const session = SSL_get_session(connection);
  if (session == nullptr || SSL_SESSION_get0_ticket_appdata(session, &der, &bytes) != 1 || der == nullptr) return {};
  return FromDer(static_cast<const unsigned char*>(der), bytes);
}

// Reads a whole bundle; INVALID_ARGUMENT when a part of it is no certificate.
absl::StatusOr<std::shared_ptr<X509_STORE>> ReadBundle(const std::string& file) {
  const Owned<BIO, BIO_vfree> input(BIO_new_file(file.c_str(), "r"));
  if (input == nullptr) {
    ERR_clear_error();
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", file, ": ", std::strerror(errno)));
  }
  std::shared_ptr<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
  for (;;) {
    const Certificate certificate(PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr));
    if (certificate == nullptr) break;
    X509_STORE_add_cert(store.get(), certificate.get());
  }
  const unsigned long error = ERR_peek_last_error();
  const bool is_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  const bool has_any = sk_X509_OBJECT_num(X509_STORE_get0_objects(store.get())) > 0;
  if (is_end && (has_any || BIO_tell(input.get()) == 0)) return store;
  return absl::InvalidArgumentError(absl::StrCat(file, " holds something that is no certificate"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ClientAuthorities>> ClientAuthorities::Load(const std::string& file) {
  std::unique_ptr<ClientAuthorities> authorities(new ClientAuthorities(file));
  if (const absl::Status read = authorities->Read(); !read.ok()) return read;
  return authorities;
}

absl::Status ClientAuthorities::Read() {
  const FileVersion version(file_);
  if (version == version_) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<X509_STORE>> store = ReadBundle(file_);
  if (!store.ok()) return store.status();
  version_ = version;
  const int count = sk_X509_OBJECT_num(X509_STORE_get0_objects(store->get()));
  FLEETCAST_LOG(kInfo, "certificate authorities of clients", {{"file", file_}, {"count", count}});
  MutexLock lock(mutex_);
  store_ = *std::move(store);
  return absl::OkStatus();
}

std::shared_ptr<X509_STORE> ClientAuthorities::Current(absl::Duration now) {
  if (!is_looking_.exchange(true)) {
    if (now >= looked_ + kLook) {
      looked_ = now;
      if (const absl::Status read = Read(); !read.ok()) {
        FLEETCAST_LOG_EVERY(kError, absl::Seconds(10), "certificate authorities not read again", {{"error", read}});
      }
    }
    is_looking_ = false;
  }
  MutexLock lock(mutex_);
  return store_;
}

ClientCertificate ReadClientCertificate(ssl_st* connection, ClientAuthorities* authorities, absl::Duration now) {
  ClientCertificate client;
  X509* const leaf = connection == nullptr ? nullptr : SSL_get0_peer_certificate(connection);
  if (leaf == nullptr) return client;
  client.sha1 = Digest(leaf, EVP_sha1());
  client.sha256 = Digest(leaf, EVP_sha256());
  client.common_name = CommonName(leaf);
  NarrowValidity(leaf, &client);
  if (authorities == nullptr) return client;
  const std::shared_ptr<X509_STORE> store = authorities->Current(now);
  const Chain sent = SentChain(connection);
  client.is_signed = Verify(store.get(), leaf, sent.get(), &client);
  return client;
}

void KeepClientChains(ssl_ctx_st* context) {
  SSL_CTX_set_session_ticket_cb(context, PutChainIntoTicket, TakeTicket, nullptr);
}

}  // namespace fleetcast::mqtt_edge
