#include "services/mqtt_edge/transport/tls_store.h"

#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"
#include "libs/telemetry/log.h"

namespace fleetcast::mqtt_edge {

TlsStore::TlsStore(TlsFiles files, TlsRules rules, telemetry::Metrics& metrics)
    : files_(std::move(files)),
      rules_(rules),
      reloads_(metrics.NewCounters("fleetcast_edge_tls_reloads_total",
                                   "Times certificates or ticket keys were read again", {"what", "result"})),
      certificate_expiry_(metrics.NewGauge("fleetcast_edge_tls_certificate_expiry_timestamp_seconds",
                                           "When the first of the certificates in use expires")) {}

absl::StatusOr<std::unique_ptr<TlsStore>> TlsStore::Create(const TlsFiles& files, TlsRules rules,
                                                           telemetry::Metrics& metrics) {
  std::unique_ptr<TlsStore> store(new TlsStore(files, rules, metrics));
  MutexLock lock(store->reload_mutex_);
  store->certificate_versions_ = store->CertificateVersions();
  FLEETCAST_RETURN_IF_ERROR(store->LoadCertificates());
  if (!files.ticket_keys.empty()) {
    store->ticket_key_versions_ = {FileVersion(files.ticket_keys)};
    FLEETCAST_RETURN_IF_ERROR(store->LoadTicketKeys());
  }
  return store;
}

std::shared_ptr<const TlsContext> TlsStore::Current() const {
  MutexLock lock(mutex_);
  return current_;
}

void TlsStore::Reload(bool demand) {
  MutexLock lock(reload_mutex_);
  // Taken before the files are read: what changes in between is another version.
  std::vector<FileVersion> versions = CertificateVersions();
  if (demand || versions != certificate_versions_) {
    certificate_versions_ = std::move(versions);
    Report("certificate", LoadCertificates());
  }
  if (files_.ticket_keys.empty()) return;
  versions = {FileVersion(files_.ticket_keys)};
  if (demand || versions != ticket_key_versions_) {
    ticket_key_versions_ = std::move(versions);
    Report("ticket_keys", LoadTicketKeys());
  }
}

std::vector<FileVersion> TlsStore::CertificateVersions() const {
  std::vector<FileVersion> versions;
  for (const CertificateFiles& files : files_.certificates) {
    versions.emplace_back(files.chain);
    versions.emplace_back(files.key);
  }
  return versions;
}

absl::Status TlsStore::LoadCertificates() {
  FLEETCAST_ASSIGN_OR_RETURN(std::shared_ptr<TlsContext> context, TlsContext::Create(files_.certificates, rules_));
  ticket_keys_.Install(context->get());
  certificate_expiry_.Set(absl::ToDoubleSeconds(context->certificate_expiry() - absl::UnixEpoch()));
  MutexLock lock(mutex_);
  current_ = std::move(context);
  return absl::OkStatus();
}

absl::Status TlsStore::LoadTicketKeys() {
  std::ifstream file(files_.ticket_keys);
  if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot read ", files_.ticket_keys));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const absl::Status status = ticket_keys_.Load(text);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(files_.ticket_keys, ": ", status.message()));
}

void TlsStore::Report(const char* what, const absl::Status& status) const {
  reloads_.With({what, status.ok() ? "taken" : "refused"}).Add();
  if (status.ok()) {
    FLEETCAST_LOG(kInfo, "TLS files were read again", {{"what", what}});
  } else {
    FLEETCAST_LOG(kError, "TLS files cannot be used: what was read before stays in use",
                  {{"what", what}, {"error", status}});
  }
}

}  // namespace fleetcast::mqtt_edge
