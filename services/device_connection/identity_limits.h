// How often one identity may connect, and be refused: whoever does either again and again is slowed down, never locked
// out (device-mqtt.md 6.2, D-CA-2, D-TK-4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/base/rate_limit.h"

namespace fleetcast::device_connection {

// Two numbers of each identity that has connected or was refused lately, in memory that does not grow whoever comes.
// They are apart on purpose: who knows an id and not its key slows down nobody but himself. What was refused because
// something of ours is down counts nowhere. Times are monotonic. Thread-safe.
class IdentityLimits {
 public:
  struct Options {
    int connects_per_minute = 6;  // On average; 0 = no limit.
    int connects_burst = 10;      // At once.
    int refusals_per_minute = 3;  // That are told at once; 0 = all.
    uint64_t seed = 0;            // As of KeyedRateLimit.
  };

  static constexpr size_t kIdentities = 131'072;                         // Remembered for each of the two; 2 MiB.
  static constexpr absl::Duration kConnectHoldMax = absl::Seconds(17);   // The edge gives up after 20 s.
  static constexpr absl::Duration kRefusalHoldMin = absl::Seconds(5);    // D-CA-2
  static constexpr absl::Duration kRefusalHoldSpan = absl::Seconds(15);  // SDKs wait 30 s for CONNACK (D-ST-2).

  explicit IdentityLimits(const Options& options);

  // How long the next connection of this identity has to wait before it is let in: nothing, or until it is due and up
  // to two thirds of the time between two of them longer (`share` in [0, 1) of that); kConnectHoldMax at most.
  absl::Duration HoldFor(std::string_view device_id, absl::Duration now, double share) const;

  // A session of this identity has come about.
  void OnConnected(std::string_view device_id, absl::Duration now);

  // A connection of this identity is refused for what it said. How long the answer has to wait: nothing, or, for one
  // that is refused too often, 5 s and up to 15 s more (`share` in [0, 1) of that).
  absl::Duration OnRefused(std::string_view device_id, absl::Duration now, double share);

 private:
  const Options options_;
  mutable Mutex mutex_;
  KeyedRateLimit connects_ GUARDED_BY(mutex_);
  KeyedRateLimit refusals_ GUARDED_BY(mutex_);
};

}  // namespace fleetcast::device_connection
