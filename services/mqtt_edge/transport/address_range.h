// Ranges of addresses, as settings name them.
#pragma once

#include <optional>
#include <string_view>

#include "services/mqtt_edge/transport/connect_limits.h"

namespace fleetcast::mqtt_edge {

// The addresses whose first bits are given. Immutable, thread-safe.
class AddressRange {
 public:
  // CIDR notation of IPv4 or IPv6 (10.0.0.0/8, 2001:db8::/32), or one address. Nothing for anything else.
  static std::optional<AddressRange> Parse(std::string_view text);

  bool Contains(const PeerAddress& address) const;

 private:
  PeerAddress first_{};
  int bits_ = 128;  // Of an IPv4 range, those of the mapping included.
};

}  // namespace fleetcast::mqtt_edge
