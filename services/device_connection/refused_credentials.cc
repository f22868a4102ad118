#include "services/device_connection/refused_credentials.h"

#include "absl/strings/str_cat.h"
#include "libs/base/random.h"
#include "libs/model/digest.h"

namespace fleetcast::device_connection {

using internal::v1::OpenSession;

RefusedCredentials::RefusedCredentials(const Options& options) : options_(options), key_(RandomBytes(16)) {}

std::string RefusedCredentials::FingerprintOf(const OpenSession& open) const {
  std::string text = key_;
  // Everything that the decision depends on; the lengths keep the fields apart.
  for (const std::string* field :
       {&open.device_id(), &open.client_id(), &open.host(), &open.password(), &open.certificate_sha1(),
        &open.certificate_sha256(), &open.certificate_common_name()}) {
    absl::StrAppend(&text, field->size(), ":", *field);
  }
  absl::StrAppend(&text, open.certificate_is_signed() ? 1 : 0);
  return Sha256(text);
}

std::optional<RefusedCredentials::Refusal> RefusedCredentials::Find(const OpenSession& open, absl::Duration now) {
  {
    MutexLock lock(mutex_);
    Forget(now);
    if (refusals_.empty()) return std::nullopt;  // As a rule.
  }
  const std::string fingerprint = FingerprintOf(open);
  MutexLock lock(mutex_);
  const auto found = refusals_.find(fingerprint);
  return found == refusals_.end() ? std::nullopt : std::optional(found->second);
}

void RefusedCredentials::Add(const OpenSession& open, const Refusal& refusal, absl::Duration now) {
  std::string fingerprint = FingerprintOf(open);
  MutexLock lock(mutex_);
  Forget(now);
  if (!refusals_.insert_or_assign(fingerprint, refusal).second) return;  // As old as it was.
  entries_.push_back({std::move(fingerprint), now + options_.ttl});
  if (entries_.size() <= options_.refusals_max) return;
  refusals_.erase(entries_.front().fingerprint);
  entries_.pop_front();
}

void RefusedCredentials::Forget(absl::Duration now) {
  while (!entries_.empty() && entries_.front().expire <= now) {
    refusals_.erase(entries_.front().fingerprint);
    entries_.pop_front();
  }
}

}  // namespace fleetcast::device_connection
