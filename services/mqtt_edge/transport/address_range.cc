#include "services/mqtt_edge/transport/address_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "absl/strings/numbers.h"
#include "libs/base/strings.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr int kMappedBits = 96;  // In front of an IPv4 address.

}  // namespace

std::optional<AddressRange> AddressRange::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  AddressRange range;
  int bits_before = 0;
  if (inet_pton(AF_INET, address.c_str(), range.first_.data() + kMappedBits / 8) == 1) {
    range.first_[10] = range.first_[11] = 0xff;
    bits_before = kMappedBits;
  } else if (inet_pton(AF_INET6, address.c_str(), range.first_.data()) != 1) {
    return std::nullopt;
  }
  if (slash == std::string_view::npos) return range;
  int bits = 0;
  if (!absl::SimpleAtoi(Absl(text.substr(slash + 1)), &bits) || bits < 0 || bits > 128 - bits_before) {
    return std::nullopt;
  }
  range.bits_ = bits_before + bits;
  return range;
}

bool AddressRange::Contains(const PeerAddress& address) const {
  const auto whole = static_cast<size_t>(bits_ / 8);
  if (!std::equal(first_.begin(), first_.begin() + whole, address.begin())) return false;
  if (bits_ % 8 == 0) return true;
  return ((first_[whole] ^ address[whole]) >> (8 - bits_ % 8)) == 0;
}

}  // namespace fleetcast::mqtt_edge
