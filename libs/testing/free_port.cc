#include "libs/testing/free_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libs/base/check.h"
#include "libs/base/random.h"

namespace fleetcast::testing {
namespace {

constexpr uint64_t kFirst = 20'000;
constexpr uint64_t kCount = 12'000;
constexpr int kTries = 1'000;

bool IsFree(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  FLEETCAST_CHECK(fd >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return is_free;
}

}  // namespace

uint16_t FreePort() {
  uint16_t port = 0;
  int tries = 0;
  do {
    FLEETCAST_CHECK(tries++ < kTries);
    port = static_cast<uint16_t>(kFirst + SystemRandom().Below(kCount));
  } while (!IsFree(port));
  return port;
}

}  // namespace fleetcast::testing
