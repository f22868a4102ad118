// Certificate thumbprints: how a self-signed client certificate is recognised (device-mqtt.md 2.5).
#pragma once

#include <string_view>

namespace fleetcast::auth {

// Whether `text` can be a thumbprint: 40 (SHA-1) or 64 (SHA-256) hex digits, no separators.
bool IsThumbprint(std::string_view text);

// Whether `registered` (as IsThumbprint demands, any case) is the SHA-1 or SHA-256 digest of the certificate `der`.
// An empty or malformed registration matches nothing.
bool MatchesThumbprint(std::string_view registered, std::string_view der);

}  // namespace fleetcast::auth
