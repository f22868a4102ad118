#include "services/twin/key_upkeep.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/reasons.h"
#include "libs/telemetry/log.h"

namespace fleetcast::twin {
namespace {

constexpr absl::Duration kPageLimit = absl::Seconds(20);
constexpr absl::Duration kAnnounceInterval = absl::Minutes(1);
constexpr absl::Duration kFullInterval = absl::Hours(24);
// A process that seals with a key says so every minute; after this time nobody does.
constexpr absl::Duration kRetiredAge = absl::Minutes(5);

}  // namespace

KeyUpkeep::KeyUpkeep(KeyStore& store, const KeyVault& vault, absl::Duration first_delay, Clock& clock,
                     telemetry::Metrics& metrics)
    : store_(store),
      vault_(vault),
      first_delay_(first_delay),
      clock_(clock),
      sealed_(metrics.NewCounter("fleetcast_twin_keys_sealed_total",
                                 "Pairs of device keys that were sealed with the current key encryption key")),
      unreadable_(metrics.NewCounter("fleetcast_twin_keys_unreadable_total",
                                     "Pairs of device keys that no key encryption key opened")) {}

absl::Status KeyUpkeep::CheckKeys(absl::Time deadline) {
  const std::vector<std::string> known = vault_.sealing_keys().ids();
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<KeyStore::Announced> announced, store_.ListAnnounced(deadline));
  for (const KeyStore::Announced& key : announced) {
    if (std::find(known.begin(), known.end(), key.key_id) != known.end()) continue;
    return MakeError(absl::StatusCode::kInvalidArgument, reasons::kUnknownSealingKey,
                     absl::StrCat("--key-encryption-key-file lacks the key ", key.key_id,
                                  ", with which device keys in this database are sealed"));
  }
  return store_.Announce(deadline, known.front());
}

void KeyUpkeep::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Loop(stop); });
}

void KeyUpkeep::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

absl::StatusOr<int64_t> KeyUpkeep::SealAll(std::stop_token stop) {
  failures_ = 0;
  FLEETCAST_ASSIGN_OR_RETURN(const int64_t devices, SealKind(IdentityKind::kDevice, stop));
  FLEETCAST_ASSIGN_OR_RETURN(const int64_t modules, SealKind(IdentityKind::kModule, stop));
  if (failures_ > 0) {
    unreadable_.Add(static_cast<double>(failures_));
    FLEETCAST_LOG(kError, "device keys cannot be opened", {{"identities", failures_}});
  }
  return devices + modules;
}

absl::StatusOr<int64_t> KeyUpkeep::SealKind(IdentityKind kind, std::stop_token stop) {
  const std::string key_id = vault_.sealing_keys().ids().front();
  int64_t sealed = 0;
  KeyPage page;
  while (!page.is_end) {
    if (stop.stop_requested()) return absl::CancelledError("stopping");
    const Identity after = page.last;
    FLEETCAST_ASSIGN_OR_RETURN(page, store_.FindOthers(absl::Now() + kPageLimit, kind, after, key_id));
    std::vector<IdentityKeys> before;
    std::vector<StoredKeys> anew;
    for (const IdentityKeys& one : page.rows) {
      absl::StatusOr<StoredKeys> keys = vault_.Renew(one.identity, one.keys);
      if (!keys.ok()) {
        ++failures_;
        continue;
      }
      before.push_back(one);
      anew.push_back(*std::move(keys));
    }
    if (before.empty()) continue;
    FLEETCAST_ASSIGN_OR_RETURN(const int64_t replaced, store_.Replace(absl::Now() + kPageLimit, kind, before, anew));
    sealed += replaced;
    sealed_.Add(static_cast<double>(replaced));
  }
  return sealed;
}

void KeyUpkeep::Loop(std::stop_token stop) {
  absl::Duration next_full = clock_.Monotonic() + first_delay_;
  do {
    const absl::Status announced = store_.Announce(absl::Now() + kPageLimit, vault_.sealing_keys().ids().front());
    if (!announced.ok()) {
      FLEETCAST_LOG_EVERY(kWarning, absl::Minutes(5), "the key in use cannot be noted", {{"error", announced}});
      continue;
    }
    const bool is_due = clock_.Monotonic() >= next_full;
    const bool has_retired = HasRetiredKeys();
    if (!is_due && !has_retired) continue;
    const absl::StatusOr<int64_t> sealed = SealAll(stop);
    if (!sealed.ok()) {
      if (!stop.stop_requested()) FLEETCAST_LOG(kWarning, "sealing device keys failed", {{"error", sealed.status()}});
      continue;
    }
    next_full = clock_.Monotonic() + kFullInterval;
    if (*sealed > 0) FLEETCAST_LOG(kInfo, "device keys sealed with the current key", {{"identities", *sealed}});
    if (has_retired && failures_ == 0) ForgetRetiredKeys();
  } while (clock_.Sleep(kAnnounceInterval, stop));
}

bool KeyUpkeep::HasRetiredKeys() {
  const absl::StatusOr<std::vector<KeyStore::Announced>> announced = store_.ListAnnounced(absl::Now() + kPageLimit);
  if (!announced.ok()) return false;
  const std::string current = vault_.sealing_keys().ids().front();
  return std::any_of(announced->begin(), announced->end(),
                     [&](const KeyStore::Announced& key) { return key.key_id != current && key.age > kRetiredAge; });
}

void KeyUpkeep::ForgetRetiredKeys() {
  const std::string current = vault_.sealing_keys().ids().front();
  for (const std::string& key_id : vault_.sealing_keys().ids()) {
    if (key_id == current) continue;
    const absl::Status status = store_.Forget(absl::Now() + kPageLimit, key_id, kRetiredAge);
    if (status.ok()) FLEETCAST_LOG(kInfo, "nothing is sealed with a key any more", {{"key", key_id}});
  }
}

}  // namespace fleetcast::twin
