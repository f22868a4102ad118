// The certificate that new connections get, and the files that it comes from: what is put there anew is taken without a
// restart.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/file_version.h"
#include "libs/base/mutex.h"

namespace fleetcast::http {

// TLS 1.2 and 1.3 with one certificate chain. Thread-safe. Connections keep what they began with.
class TlsFiles {
 public:
  using Context = std::shared_ptr<boost::asio::ssl::context>;

  // PEM files, the chain's leaf first. INVALID_ARGUMENT when they cannot be used.
  static absl::StatusOr<std::unique_ptr<TlsFiles>> Load(const std::string& certificate_file,
                                                        const std::string& key_file);

  // For the next connection.
  Context Current() const EXCLUDES(mutex_);
  // When the certificate in use expires.
  absl::Time expiry() const EXCLUDES(mutex_);

  // Reads the files again if they have changed since they were last tried, or on `demand`; nullopt when there was no
  // reason to. INVALID_ARGUMENT leaves in use what there is.
  std::optional<absl::Status> Reload(bool demand) EXCLUDES(reload_mutex_, mutex_);

 private:
  TlsFiles(std::string certificate_file, std::string key_file)
      : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {}

  absl::Status Read() EXCLUDES(mutex_);

  const std::string certificate_file_;
  const std::string key_file_;

  Mutex reload_mutex_;  // Before mutex_.
  std::vector<FileVersion> versions_ GUARDED_BY(reload_mutex_);

  mutable Mutex mutex_;
  Context current_ GUARDED_BY(mutex_);
  absl::Time expiry_ GUARDED_BY(mutex_);
};

}  // namespace fleetcast::http
