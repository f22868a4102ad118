// TCP ports for tests that must know a port before the server starts. Prefer port 0 where the server can tell its own.
#pragma once

#include <cstdint>

namespace fleetcast::testing {

// A TCP port of 127.0.0.1 that was free a moment ago, for a server that may also stop and come back to it. Linux gives
// it neither to connections nor to servers that ask for any port: those get 32768 and above. So only another caller of
// this, or somebody with a fixed port, can be in the way.
uint16_t FreePort();

}  // namespace fleetcast::testing
