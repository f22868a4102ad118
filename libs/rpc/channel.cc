#include "libs/rpc/channel.h"

#include <arpa/inet.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "grpcpp/channel.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace fleetcast::rpc {
namespace {

struct Address {
  std::string host;  // Without brackets.
  int port = 0;
};

bool IsIpv4(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool IsIpv6(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool IsHostName(const std::string& host) {
  constexpr size_t kHostNameBytesMax = 253;
  constexpr char kAllowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
  return !host.empty() && host.size() <= kHostNameBytesMax && host.find_first_not_of(kAllowed) == std::string::npos;
}

absl::StatusOr<Address> ParseAddress(std::string_view text, bool listening) {
  const auto wrong = [&] {
    return absl::InvalidArgumentError(absl::StrCat("'", Absl(text), "' is not an address; write host:port"));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  Address address{.host = std::string(text.substr(0, colon))};
  const bool bracketed = address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']';
  if (bracketed) address.host = address.host.substr(1, address.host.size() - 2);
  if (bracketed ? !IsIpv6(address.host) : !IsHostName(address.host)) return wrong();
  const bool is_number = absl::SimpleAtoi(Absl(text.substr(colon + 1)), &address.port);
  if (!is_number || address.port < (listening ? 0 : 1) || address.port > 65535) return wrong();
  return address;
}

grpc::ChannelArguments Arguments(const ChannelOptions& options) {
  const auto milliseconds = [](absl::Duration d) { return static_cast<int>(absl::ToInt64Milliseconds(d)); };
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(kKeepaliveTime));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(kKeepaliveTimeout));
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // A quiet stream is pinged without end.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, milliseconds(kReconnectMin));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, milliseconds(kReconnectMax));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, milliseconds(kReconnectMax));
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // Services talk to each other, never through a proxy.
  arguments.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
  arguments.SetMaxSendMessageSize(static_cast<int>(options.message_bytes_max));
  arguments.SetLoadBalancingPolicyName("round_robin");
  if (options.own_connection) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

std::shared_ptr<grpc::ChannelInterface> MakeTargetChannel(const std::string& target, const ChannelOptions& options) {
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), Arguments(options));
}

}  // namespace

absl::Status ValidateAddress(std::string_view address, bool listening) {
  return ParseAddress(address, listening).status();
}

absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> MakeChannel(std::string_view address,
                                                                    const ChannelOptions& options) {
  return MakeChannel(std::vector<std::string>{std::string(address)}, options);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> MakeChannel(const std::vector<std::string>& addresses,
                                                                    const ChannelOptions& options) {
  if (addresses.empty()) return absl::InvalidArgumentError("no address");
  bool all_ipv4 = true;
  bool all_ipv6 = true;
  for (const std::string& text : addresses) {
    FLEETCAST_ASSIGN_OR_RETURN(const Address address, ParseAddress(text, /*listening=*/false));
    all_ipv4 = all_ipv4 && IsIpv4(address.host);
    all_ipv6 = all_ipv6 && IsIpv6(address.host);
  }
  const std::string list = absl::StrJoin(addresses, ",");
  if (all_ipv4) return MakeTargetChannel(absl::StrCat("ipv4:", list), options);
  if (all_ipv6) return MakeTargetChannel(absl::StrCat("ipv6:", list), options);
  if (addresses.size() == 1) return MakeTargetChannel(absl::StrCat("dns:///", list), options);
  return absl::InvalidArgumentError(
      absl::StrCat("'", list, "': give either one host name, all of whose addresses are used, or only IP addresses"));
}

}  // namespace fleetcast::rpc
