// What the parts of EventLoop share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fleetcast::mqtt_edge {

// What epoll says about sockets that are no client's; no session has these numbers, since their slot is out of range.
inline constexpr uint64_t kWakeupToken = UINT64_MAX;
inline constexpr uint64_t kTlsListenerToken = UINT64_MAX - 1;
inline constexpr uint64_t kPlainListenerToken = UINT64_MAX - 2;

inline constexpr size_t kReadBytes = 32 * 1024;  // Taken from one socket at once, into a buffer that all share.

}  // namespace fleetcast::mqtt_edge
