// How many connections may begin: a storm is smoothed before it costs a handshake (reliability.md 7.13).
#pragma once

#include <array>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace fleetcast::mqtt_edge {

// `rate` a second on average, `burst` at once. A rate of 0 means no limit.
struct Rate {
  double rate = 0;
  double burst = 0;
};

// Not thread-safe; 24 bytes.
class TokenBucket {
 public:
  TokenBucket() = default;
  // Full.
  TokenBucket(const Rate& rate, absl::Duration now) : tokens_(rate.burst), filled_at_(now) {}

  // Takes a token if there is one.
  bool TryTake(const Rate& rate, absl::Duration now);
  // Time until there is a token.
  absl::Duration UntilToken(const Rate& rate, absl::Duration now);
  bool IsFull(const Rate& rate, absl::Duration now);

 private:
  void Fill(const Rate& rate, absl::Duration now);

  double tokens_ = 0;
  absl::Duration filled_at_;
};

// An address of a peer: IPv6, or IPv4 mapped into it.
using PeerAddress = std::array<uint8_t, 16>;

// A bucket for each source. Bounded: when too many sources are remembered, those with a full bucket are forgotten,
// and if that does not help, new sources are refused. Not thread-safe.
class SourceLimits {
 public:
  static constexpr size_t kSourcesMax = 65'536;

  explicit SourceLimits(const Rate& rate) : rate_(rate) {}

  // True if `source` may connect now.
  bool TryConnect(const PeerAddress& source, absl::Duration now);

 private:
  const Rate rate_;
  absl::flat_hash_map<PeerAddress, TokenBucket> sources_;
};

}  // namespace fleetcast::mqtt_edge
