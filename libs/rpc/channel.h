// Channels to other services, all with the same keepalive, size and retry settings.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class ChannelInterface;
}  // namespace grpc

namespace fleetcast::rpc {

// Agreed between our clients and servers (reliability 7.11): a server that expects pings less often than a client sends
// them closes the connection ("too_many_pings").
inline constexpr absl::Duration kKeepaliveTime = absl::Seconds(30);       // Silence after which a ping is sent.
inline constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(10);    // An unanswered ping ends the connection.
inline constexpr absl::Duration kKeepaliveTimeMin = absl::Seconds(20);    // What a server accepts.
inline constexpr absl::Duration kReconnectMin = absl::Milliseconds(100);  // Back-off of gRPC's own reconnects.
inline constexpr absl::Duration kReconnectMax = absl::Seconds(2);
inline constexpr int64_t kMessageBytesMax = 4 << 20;  // One message, both directions.

// OK when `address` is host:port with a host name, an IPv4 address or a bracketed IPv6 address, and a port in
// 1..65535 (0 as well when `listening`). INVALID_ARGUMENT otherwise.
absl::Status ValidateAddress(std::string_view address, bool listening = false);

struct ChannelOptions {
  // True: a TCP connection of its own, so that a busy stream does not delay other calls to the same server.
  bool own_connection = false;
  int64_t message_bytes_max = kMessageBytesMax;
};

// A channel to one server. `address` is host:port; a host name with several addresses is used round robin. Connects
// when first used; never retries a call. INVALID_ARGUMENT for a malformed address.
absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> MakeChannel(std::string_view address,
                                                                    const ChannelOptions& options = {});

// A channel over several replicas, round robin per call. Either one host name (all its addresses) or IP addresses.
// INVALID_ARGUMENT for an empty list, a malformed address, or several host names.
absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> MakeChannel(const std::vector<std::string>& addresses,
                                                                    const ChannelOptions& options = {});

}  // namespace fleetcast::rpc
