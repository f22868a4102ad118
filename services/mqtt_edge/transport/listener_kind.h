// The doors of the edge: how a connection begins, by the listener that accepted it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fleetcast::mqtt_edge {

enum class ListenerKind : uint8_t {
  kTls,             // MQTT over TLS.
  kPlain,           // MQTT over TCP.
  kWebSocketTls,    // MQTT over WebSocket over TLS.
  kWebSocketPlain,  // MQTT over WebSocket over TCP: for a gateway that ends TLS, and for development.
};
inline constexpr size_t kListenerKinds = 4;

// One of something for each kind.
template <typename T>
using PerListener = std::array<T, kListenerKinds>;

constexpr size_t IndexOf(ListenerKind kind) { return static_cast<size_t>(kind); }
constexpr bool HasTls(ListenerKind kind) { return kind == ListenerKind::kTls || kind == ListenerKind::kWebSocketTls; }
constexpr bool IsWebSocket(ListenerKind kind) {
  return kind == ListenerKind::kWebSocketTls || kind == ListenerKind::kWebSocketPlain;
}

// As in the flag that opens it: --NAME-listen.
inline constexpr PerListener<std::string_view> kListenerNames = {"tls", "plain", "ws", "ws-plain"};

}  // namespace fleetcast::mqtt_edge
