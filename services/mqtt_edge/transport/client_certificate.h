// The certificate of a client, and what the configured certificate authorities say about it (device-mqtt.md 2.5). It is
// judged elsewhere, against the identity that it is for; here nothing is refused.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/file_version.h"
#include "libs/base/mutex.h"

struct ssl_ctx_st;
struct ssl_st;
struct x509_store_st;

namespace fleetcast::mqtt_edge {

// What a client has shown, and proved to hold the key of. All empty without a certificate.
struct ClientCertificate {
  std::string sha1;  // Hex digests of the certificate, upper-case.
  std::string sha256;
  std::string common_name;  // Of its subject, UTF-8; empty when there is none, or more than one.
  bool is_signed = false;   // It chains to one of the authorities, as a client certificate.
  // When it is valid; if it is signed, when all certificates are that it chains through.
  absl::Time valid_from = absl::InfinitePast();
  absl::Time valid_until = absl::InfiniteFuture();
};

// The authorities whose signature counts: a PEM bundle of roots or intermediates, read again when the file changes. An
// empty file holds none. Thread-safe.
class ClientAuthorities {
 public:
  // Looks at the file at most so often.
  static constexpr absl::Duration kLook = absl::Seconds(1);
  static constexpr int kDepthMax = 5;  // Certificates between that of a client and an authority.

  // INVALID_ARGUMENT when the file cannot be read, or holds something that is no certificate.
  static absl::StatusOr<std::unique_ptr<ClientAuthorities>> Load(const std::string& file);

  // The authorities of the file as it is now (`now`: monotonic). When it has become unusable that is logged, and the
  // last good ones stay. Whoever comes first after kLook reads the file, nobody waits for it.
  std::shared_ptr<x509_store_st> Current(absl::Duration now) EXCLUDES(mutex_);

 private:
  explicit ClientAuthorities(const std::string& file) : file_(file) {}
  absl::Status Read() EXCLUDES(mutex_);

  const std::string file_;
  std::atomic<bool> is_looking_ = false;
  // Of the thread that is looking.
  std::optional<FileVersion> version_;
  absl::Duration looked_ = -absl::InfiniteDuration();

  Mutex mutex_;
  std::shared_ptr<x509_store_st> store_ GUARDED_BY(mutex_);
};

// The certificate that the peer of `connection` has shown. `authorities` may be null: then nobody's signature counts.
ClientCertificate ReadClientCertificate(ssl_st* connection, ClientAuthorities* authorities, absl::Duration now);

// Makes session tickets of `context` carry the intermediate certificates that a client sent: a resumed session knows
// only the client's own otherwise, which proves no chain.
void KeepClientChains(ssl_ctx_st* context);

}  // namespace fleetcast::mqtt_edge
