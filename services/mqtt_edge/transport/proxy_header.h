// The PROXY protocol, version 2: what a load balancer says first about whom it brings (D-TLS-9).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "services/mqtt_edge/transport/connect_limits.h"

namespace fleetcast::mqtt_edge {

// Takes one header from its bytes, without I/O, and never a byte of what follows it. Version 1 is refused. Not
// thread-safe; 64 bytes.
class ProxyHeaderReader {
 public:
  // The whole header. Addresses take 36 bytes at most; the rest are remarks of the proxy, which are skipped.
  static constexpr size_t kBytesMax = 2048;

  enum class State : uint8_t { kNeedMore, kDone, kRefused };

  // How many bytes may come next, at most: 0 when it is not kNeedMore.
  size_t wanted() const;

  // Takes the next bytes, at most wanted().
  State Add(std::string_view bytes);

  State state() const { return state_; }

  // When kDone: the address of the client. Nothing for a connection of the proxy itself (LOCAL: a health check), or
  // when it does not know (UNSPEC): the address of the socket counts then.
  std::optional<PeerAddress> source() const;

 private:
  static constexpr size_t kFixedBytes = 16;
  static constexpr size_t kAddressBytesMax = 36;

  State Judge(size_t taken_before);
  size_t length() const { return static_cast<size_t>(head_[14]) << 8 | head_[15]; }

  std::array<uint8_t, kFixedBytes + kAddressBytesMax> head_;
  uint16_t have_ = 0;
  State state_ = State::kNeedMore;
};

}  // namespace fleetcast::mqtt_edge
