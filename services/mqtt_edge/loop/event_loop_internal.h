// What the parts of EventLoop share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "services/mqtt_edge/transport/listener_kind.h"

namespace fleetcast::mqtt_edge {

// What epoll says about sockets that are no client's; no session has these numbers, since their slot is out of range.
inline constexpr uint64_t kWakeupToken = UINT64_MAX;
inline constexpr uint64_t kListenerTokens = UINT64_MAX - kListenerKinds;  // And those behind it, by kind.

// Of a token that is no client's and not kWakeupToken.
inline constexpr bool IsListenerToken(uint64_t token) { return token >= kListenerTokens && token != kWakeupToken; }

inline constexpr absl::Duration kAcceptPause = absl::Milliseconds(100);  // Until it is looked whether there is room.

inline constexpr size_t kReadBytes = 32 * 1024;  // Taken from one socket at once, into a buffer that all share.

}  // namespace fleetcast::mqtt_edge
