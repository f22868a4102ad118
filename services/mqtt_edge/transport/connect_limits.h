// How many connections may begin: a storm is smoothed before it costs anything (reliability.md 7.13).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/time/time.h"
#include "libs/base/rate_limit.h"

namespace fleetcast::mqtt_edge {

// An address of a peer: IPv6, or IPv4 mapped into it.
using PeerAddress = std::array<uint8_t, 16>;

// What limits per source count together: an IPv4 address, or the first half of an IPv6 address, since whoever has one
// of those has the other 2^64 as well. A view of `peer`.
std::string_view SourceOf(const PeerAddress& peer);

// When a connection that is about to send its CONNECT is read: at once, in its turn, or too late to be let in. Not
// thread-safe.
class ConnectAdmission {
 public:
  struct Limits {
    Rate connects;            // CONNECTs that are let in.
    absl::Duration wait_max;  // For one's turn; who would wait longer is refused.
  };

  struct Verdict {
    bool is_admitted = true;
    // Until it is read: until its turn; or, of one that is not admitted, until it hears so, between half of the longest
    // wait and all of it, since who is refused at once is back at once (D-ST-2).
    absl::Duration wait;
  };

  explicit ConnectAdmission(const Limits& limits) : limits_(limits) {}

  // `share` in [0, 1): the jitter.
  Verdict Decide(absl::Duration now, double share);

  // How long no further connection should be accepted: so many wait already that new ones would come close to being
  // refused. What is not accepted waits in the kernel, at no cost.
  absl::Duration UntilAccepting(absl::Duration now) const;

 private:
  const Limits limits_;
  RateMeter admitted_;
};

}  // namespace fleetcast::mqtt_edge
