#include "services/mqtt_edge/transport/connect_limits.h"

#include <algorithm>

namespace fleetcast::mqtt_edge {
namespace {

constexpr double kAcceptingShare = 0.7;  // Of the longest wait: from there on new connections stay in the kernel.

}  // namespace

std::string_view SourceOf(const PeerAddress& peer) {
  constexpr PeerAddress kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool is_ipv4 = std::equal(peer.begin(), peer.begin() + 12, kMapped.begin());
  return {reinterpret_cast<const char*>(peer.data()), is_ipv4 ? peer.size() : peer.size() / 2};
}

ConnectAdmission::Verdict ConnectAdmission::Decide(absl::Duration now, double share) {
  const auto wait = admitted_.TryReserve(limits_.connects, now, limits_.wait_max);
  if (wait.has_value()) return {true, *wait};
  return {false, limits_.wait_max * (1 + share) / 2};
}

absl::Duration ConnectAdmission::UntilAccepting(absl::Duration now) const {
  const absl::Duration wait = admitted_.Until(limits_.connects, now);
  return std::max(absl::ZeroDuration(), wait - limits_.wait_max * kAcceptingShare);
}

}  // namespace fleetcast::mqtt_edge
