#include "services/mqtt_edge/transport/address_range.h"

#include <arpa/inet.h>

#include <string>

#include "gtest/gtest.h"

namespace fleetcast::mqtt_edge {
namespace {

bool Contains(const std::string& range, const std::string& address) {
  const std::optional<AddressRange> parsed = AddressRange::Parse(range);
  const std::optional<AddressRange> one = AddressRange::Parse(address);  // Only to know that it is an address.
  EXPECT_TRUE(parsed.has_value() && one.has_value()) << range << " " << address;
  PeerAddress peer{};
  if (inet_pton(AF_INET, address.c_str(), peer.data() + 12) == 1) {
    peer[10] = peer[11] = 0xff;
  } else {
    inet_pton(AF_INET6, address.c_str(), peer.data());
  }
  return parsed->Contains(peer);
}

TEST(AddressRangeTest, ContainsWhatBeginsAlike) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.255.1.2"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(Contains("192.168.4.0/22", "192.168.7.255"));
  EXPECT_FALSE(Contains("192.168.4.0/22", "192.168.8.0"));
  EXPECT_TRUE(Contains("127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(Contains("127.0.0.1", "127.0.0.2"));
  EXPECT_TRUE(Contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(Contains("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(AddressRangeTest, EveryAddressAndNoOtherFamily) {
  EXPECT_TRUE(Contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(Contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(Contains("::/0", "2001:db8::1"));
  EXPECT_TRUE(Contains("::/0", "203.0.113.9"));  // IPv4 is mapped into IPv6.
}

TEST(AddressRangeTest, RefusesWhatIsNoRange) {
  for (const char* text : {"", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::/129", "host", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(AddressRange::Parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
