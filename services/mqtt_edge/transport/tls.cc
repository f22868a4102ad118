#include "services/mqtt_edge/transport/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/auth/certificate_time.h"
#include "services/mqtt_edge/transport/client_certificate.h"

namespace fleetcast::mqtt_edge {
namespace {

// D-TLS-2.
constexpr char kCiphers12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kCbcCiphers12[] =
    ":ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384";
constexpr char kGroups[] = "X25519:P-256:P-384";
constexpr unsigned char kSessionContext[] = "fleetcast";
constexpr long kCertificateBytesMax = 32 * 1024;  // Of a client's chain (Q12).
constexpr size_t kTicketsPerHandshake = 1;

// The certificate is judged at CONNECT, against the identity that it is for. Possession of its key is still proven.
int AcceptAnyCertificate(int, X509_STORE_CTX*) { return 1; }

absl::Status TlsError(const std::string& what) {
  char text[256] = "unknown error";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof(text));
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", text));
}

absl::Status LoadCertificate(SSL_CTX* context, const CertificateFiles& files) {
  if (SSL_CTX_use_certificate_chain_file(context, files.chain.c_str()) != 1) {
    return TlsError(absl::StrCat("cannot use the certificate chain in ", files.chain));
  }
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return TlsError(absl::StrCat("cannot use the key in ", files.key, " for ", files.chain));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Create(const std::vector<CertificateFiles>& certificates,
                                                               TlsRules rules) {
  std::unique_ptr<TlsContext> tls(new TlsContext(SSL_CTX_new(TLS_server_method())));
  SSL_CTX* context = tls->context_;
  if (context == nullptr) return TlsError("cannot set up TLS");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // Our order counts, so that a client that knows both gets the ECDSA chain: its signature costs a thirteenth.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(context, 1);                           // One read call for a whole record.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // Tickets instead: no state here.
  SSL_CTX_set_num_tickets(context, kTicketsPerHandshake);
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof(kSessionContext) - 1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, AcceptAnyCertificate);
  SSL_CTX_set_max_cert_list(context, kCertificateBytesMax);
  KeepClientChains(context);
  SSL_CTX_set_dh_auto(context, 0);
  const std::string ciphers = absl::StrCat(kCiphers12, rules.allow_cbc ? kCbcCiphers12 : "");
  if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1 || SSL_CTX_set1_groups_list(context, kGroups) != 1) {
    return TlsError("cannot set ciphers and groups");
  }
  for (const CertificateFiles& files : certificates) {
    if (const absl::Status status = LoadCertificate(context, files); !status.ok()) return status;
    const X509* const certificate = SSL_CTX_get0_certificate(context);  // The one that was loaded last.
    tls->certificate_expiry_ = std::min(tls->certificate_expiry_, auth::NotAfter(certificate, absl::InfiniteFuture()));
  }
  return tls;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

}  // namespace fleetcast::mqtt_edge
