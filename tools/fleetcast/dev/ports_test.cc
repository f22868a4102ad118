#include "tools/fleetcast/dev/ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace fleetcast::dev {
namespace {

// Listens on a port of 127.0.0.1 while it lives.
class Listening {
 public:
  Listening() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listening() { close(fd_); }
  int port() const { return port_; }

 private:
  const int fd_;
  int port_ = 0;
};

TEST(PortsTest, SeesThatAPortIsTaken) {
  const Listening taken;
  EXPECT_FALSE(CanListen("127.0.0.1", taken.port()));
  EXPECT_FALSE(CanListen("not an address", 1));
}

TEST(PortsTest, TakesTheFirstWantedPortThatIsFree) {
  const Listening taken;
  PortPicker ports("127.0.0.1", SystemRandom());
  const int free = ports.Pick().value();
  PortPicker others("127.0.0.1", SystemRandom());
  EXPECT_EQ(others.Pick({taken.port(), free}).value(), free);
}

TEST(PortsTest, GivesNoPortTwice) {
  PortPicker ports("127.0.0.1", SystemRandom());
  const int port = ports.Pick().value();
  EXPECT_NE(ports.Pick({port}).value(), port);
}

TEST(PortsTest, AnAddressIsFoundByOneAtATime) {
  PortPicker ports("127.0.0.1", SystemRandom());
  const std::vector<int> wanted = {ports.Pick().value()};
  const HostClaim one = FindHost(wanted);
  const HostClaim two = FindHost(wanted);
  EXPECT_NE(one.host(), two.host());
}

TEST(PortsTest, AClaimEndsWithItsHolder) {
  const std::string host = "test " + std::to_string(getpid());
  {
    HostClaim one(host);
    ASSERT_TRUE(one.Take());
    HostClaim moved(std::move(one));
    EXPECT_FALSE(HostClaim(host).Take());
  }
  EXPECT_TRUE(HostClaim(host).Take());
}

}  // namespace
}  // namespace fleetcast::dev
