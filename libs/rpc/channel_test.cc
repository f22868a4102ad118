#include "libs/rpc/channel.h"

#include "gtest/gtest.h"

namespace fleetcast::rpc {
namespace {

TEST(AddressTest, AcceptsNamesAndNumbers) {
  for (const std::string_view address : {"localhost:1", "127.0.0.1:65535", "twin-0.twin.ns.svc:50051", "[::1]:8080"}) {
    EXPECT_TRUE(ValidateAddress(address).ok()) << address;
  }
  EXPECT_TRUE(ValidateAddress("0.0.0.0:0", /*listening=*/true).ok());
}

TEST(AddressTest, RefusesOthers) {
  for (const std::string_view address :
       {"", "localhost", ":1", "a:b", "a:0", "a:65536", "a:-1", "a b:1", "::1:80", "[zz]:1", "http://a:1", "[::1]"}) {
    EXPECT_FALSE(ValidateAddress(address).ok()) << address;
  }
}

TEST(ChannelTest, TakesOneNameOrAnyNumberOfIpAddresses) {
  EXPECT_TRUE(MakeChannel("twin:1").ok());
  EXPECT_TRUE(MakeChannel(std::vector<std::string>{"127.0.0.1:1", "127.0.0.1:2"}).ok());
  EXPECT_TRUE(MakeChannel(std::vector<std::string>{"[::1]:1", "[::1]:2"}).ok());
  EXPECT_FALSE(MakeChannel(std::vector<std::string>{"a:1", "b:2"}).ok());
  EXPECT_FALSE(MakeChannel(std::vector<std::string>{}).ok());
  EXPECT_FALSE(MakeChannel("nowhere").ok());
}

}  // namespace
}  // namespace fleetcast::rpc
