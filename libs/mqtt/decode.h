// The bodies of packets. Internal to this library.
#pragma once

#include <cstdint>
#include <string_view>

#include "libs/mqtt/codec.h"

namespace fleetcast::mqtt {

// Reads the packet whose first byte is `first` and whose bytes after the fixed header are `body`. A CONNECT tells its
// level itself; after a violation in one, `packet` holds at least that.
Violation DecodeBody(uint8_t first, std::string_view body, uint8_t level, Packet* packet);

}  // namespace fleetcast::mqtt
