// TLS for device sockets: the only includer of OpenSSL's SSL headers in this folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

struct ssl_ctx_st;
struct ssl_st;

namespace fleetcast::mqtt_edge {

// A certificate chain and its key, both PEM files. With one RSA and one ECDSA pair each client gets the one it knows.
struct CertificateFiles {
  std::string chain;
  std::string key;
};

// What may be negotiated beyond the usual.
struct TlsRules {
  bool allow_cbc = false;  // ECDHE with CBC and SHA-2 in TLS 1.2, for old embedded stacks (D-TLS-2).
};

// Settings shared by all connections: TLS 1.2 and 1.3, optional client certificate (any; what it is worth is decided at
// CONNECT, D-TLS-4), session tickets, no renegotiation, no early data, buffers released while idle. Thread-safe.
class TlsContext {
 public:
  // INVALID_ARGUMENT when a file cannot be read, or a key does not belong to its certificate.
  static absl::StatusOr<std::unique_ptr<TlsContext>> Create(const std::vector<CertificateFiles>& certificates,
                                                            TlsRules rules);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* get() const { return context_; }
  // When the first of the certificates expires; infinitely late without any.
  absl::Time certificate_expiry() const { return certificate_expiry_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
  absl::Time certificate_expiry_ = absl::InfiniteFuture();
};

}  // namespace fleetcast::mqtt_edge
