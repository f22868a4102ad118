// Keeps the keys of devices sealed with the current key encryption key.
#pragma once

#include <cstdint>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/telemetry/metrics.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/key_store.h"

namespace fleetcast::twin {

// Seals what stands in clear text (rows of versions that did not seal) or under another key, page after page, in the
// background: some time after the start, as long as another key was in use lately, and once a day. Every process of
// ours does so; what one has sealed the others skip. Thread-safe.
class KeyUpkeep {
 public:
  // `first_delay`: replicas of a version that does not seal cannot read what we seal; a rolling upgrade is over by
  // then.
  KeyUpkeep(KeyStore& store, const KeyVault& vault, absl::Duration first_delay, Clock& clock,
            telemetry::Metrics& metrics);
  ~KeyUpkeep() { Stop(); }

  // Whether this process can open what the database holds; says then that it seals with the current key.
  // INVALID_ARGUMENT (UNKNOWN_SEALING_KEY) when the key file lacks a key that is in use.
  absl::Status CheckKeys(absl::Time deadline);

  // Begins. Once.
  void Start();
  void Stop();

  // One look at everything: how many were sealed anew. Those that cannot be opened are counted and left alone.
  absl::StatusOr<int64_t> SealAll(std::stop_token stop = {});

 private:
  absl::StatusOr<int64_t> SealKind(IdentityKind kind, std::stop_token stop);
  void Loop(std::stop_token stop);
  // Whether a key other than the current one may still seal something, and nobody seals with it any more.
  bool HasRetiredKeys();
  void ForgetRetiredKeys();

  KeyStore& store_;
  const KeyVault& vault_;
  const absl::Duration first_delay_;
  Clock& clock_;
  const telemetry::Counter sealed_;
  const telemetry::Counter unreadable_;
  int64_t failures_ = 0;  // Of the last look.
  std::jthread thread_;
};

}  // namespace fleetcast::twin
