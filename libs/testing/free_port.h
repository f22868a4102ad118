// TCP ports for tests that must know a port before the server starts. Prefer port 0 where the server can tell its own.
#pragma once

#include <cstdint>

namespace fleetcast::testing {

// A TCP port of 127.0.0.1 that was free a moment ago. The system does not give it to others who ask for any port for a
// while, so a clash is unlikely, not impossible.
uint16_t FreePort();

}  // namespace fleetcast::testing
