// Slows down identities that connect twice: two programs with one identity close each other's connection again and
// again, as fast as their SDKs come back (D-TK-4).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace fleetcast::device_connection {

// Of each device, how many takeovers it may still have: a number that grows evenly. Thread-safe.
class TakeoverLimit {
 public:
  struct Options {
    int per_minute = 10;           // 0 = no limit.
    size_t devices_max = 100'000;  // Beyond that many at once new ones are not slowed down.
  };

  explicit TakeoverLimit(const Options& options) : options_(options) {}

  // A connection of the device has replaced one that was open, at `now` (monotonic).
  void OnTakeover(std::string_view device_id, absl::Duration now);

  // How long the device's next connection has to wait: nothing, or until another takeover is due and up to two thirds
  // of the time between two of them longer (`share` in [0, 1) of that); with ten a minute, ten seconds at most.
  absl::Duration HoldFor(std::string_view device_id, absl::Duration now, double share) const;

 private:
  struct Allowance {
    double left;        // As of `at`; up to per_minute.
    absl::Duration at;  // Monotonic.
  };

  double LeftAt(const Allowance& allowance, absl::Duration now) const;

  const Options options_;
  mutable Mutex mutex_;
  absl::flat_hash_map<std::string, Allowance> devices_ GUARDED_BY(mutex_);  // Those that have not all of it.
};

}  // namespace fleetcast::device_connection
