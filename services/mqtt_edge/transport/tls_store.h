// The TLS settings that new connections get, and the files that they come from: what is put there anew is taken without
// a restart.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/file_version.h"
#include "libs/base/mutex.h"
#include "libs/telemetry/metrics.h"
#include "services/mqtt_edge/transport/ticket_keys.h"
#include "services/mqtt_edge/transport/tls.h"

namespace fleetcast::mqtt_edge {

// Where certificates and keys are.
struct TlsFiles {
  std::vector<CertificateFiles> certificates = {};
  std::string ticket_keys = {};  // Empty: a random key, for this process.
};

// Thread-safe. Connections keep what they began with.
class TlsStore {
 public:
  // INVALID_ARGUMENT when a file cannot be used.
  static absl::StatusOr<std::unique_ptr<TlsStore>> Create(const TlsFiles& files, TlsRules rules,
                                                          telemetry::Metrics& metrics);

  // For the next connection.
  std::shared_ptr<const TlsContext> Current() const EXCLUDES(mutex_);

  // Reads the files again: those that have changed since they were last tried, or, on `demand`, all. What cannot be
  // used is logged and counted, and leaves in use what there is. A few system calls when nothing has changed.
  void Reload(bool demand) EXCLUDES(reload_mutex_, mutex_);

 private:
  TlsStore(TlsFiles files, TlsRules rules, telemetry::Metrics& metrics);

  std::vector<FileVersion> CertificateVersions() const;
  absl::Status LoadCertificates() EXCLUDES(mutex_);
  absl::Status LoadTicketKeys();
  void Report(const char* what, const absl::Status& status) const;

  const TlsFiles files_;
  const TlsRules rules_;
  const telemetry::CounterFamily reloads_;
  const telemetry::Gauge certificate_expiry_;
  TicketKeys ticket_keys_;

  Mutex reload_mutex_;  // Before mutex_.
  std::vector<FileVersion> certificate_versions_ GUARDED_BY(reload_mutex_);
  std::vector<FileVersion> ticket_key_versions_ GUARDED_BY(reload_mutex_);

  mutable Mutex mutex_;
  std::shared_ptr<const TlsContext> current_ GUARDED_BY(mutex_);
};

}  // namespace fleetcast::mqtt_edge
