// Credentials that were refused a moment ago.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/base/mutex.h"
#include "services/device_connection/record_cache.h"

namespace fleetcast::device_connection {

// A bounded cache of refusals, so that a device that says the same wrong thing again and again costs no question to the
// twin service: a cached record alone refuses nobody. It answers for exactly what was said before, so that a token of
// the right key is never taken for the wrong one, and holds fingerprints only. The oldest goes first. Times are
// monotonic. Thread-safe.
class RefusedCredentials {
 public:
  struct Options {
    size_t refusals_max = 16'384;  // Some 150 bytes each.
    absl::Duration ttl = absl::Seconds(10);
  };

  struct Refusal {
    internal::v1::OpenSessionResult::Code code = internal::v1::OpenSessionResult::CODE_NOT_AUTHORIZED;
    const char* why = "";  // As in Admission.
    // Of before the record was read that it rests on: it is worth nothing when the device has changed since.
    RecordCache::Ticket ticket = 0;
  };

  explicit RefusedCredentials(const Options& options);

  // What became of the same words a moment ago.
  std::optional<Refusal> Find(const internal::v1::OpenSession& open, absl::Duration now);
  void Add(const internal::v1::OpenSession& open, const Refusal& refusal, absl::Duration now);

 private:
  std::string FingerprintOf(const internal::v1::OpenSession& open) const;
  void Forget(absl::Duration now) REQUIRES(mutex_);

  struct Entry {
    std::string fingerprint;
    absl::Duration expire;
  };

  const Options options_;
  const std::string key_;  // Random: a fingerprint tells nothing to who reads this memory or guesses.
  Mutex mutex_;
  absl::flat_hash_map<std::string, Refusal> refusals_ GUARDED_BY(mutex_);  // By fingerprint.
  std::deque<Entry> entries_ GUARDED_BY(mutex_);                           // The oldest, which expires first, in front.
};

}  // namespace fleetcast::device_connection
