#include "tools/fleetcast/dev/ports.h"

#include <algorithm>
#include <cstddef>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::dev {
namespace {

constexpr int kRangeStart = 32768;  // Linux's default start of the range for outgoing connections.
constexpr int kPickWidth = 12000;   // How far below it we look.
constexpr int kPickAttempts = 1000;
constexpr int kLoopbackHosts = 32;

int OutgoingRangeStart() {
  const absl::StatusOr<std::string> text = files::Read("/proc/sys/net/ipv4/ip_local_port_range");
  if (!text.ok()) return kRangeStart;
  const std::vector<std::string> words = absl::StrSplit(*text, absl::ByAnyChar("\t \n"), absl::SkipEmpty());
  int start = 0;
  if (words.empty() || !absl::SimpleAtoi(words[0], &start)) return kRangeStart;
  return start > kPickWidth + 1024 ? start : kRangeStart;
}

}  // namespace

bool CanListen(const std::string& host, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool good = inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1 &&
                    bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 && listen(fd, 1) == 0;
  close(fd);
  return good;
}

PortPicker::PortPicker(std::string host, Random& random)
    : host_(std::move(host)), random_(random), below_(OutgoingRangeStart()) {}

absl::StatusOr<int> PortPicker::Pick(const std::vector<int>& wanted) {
  for (const int port : wanted) {
    if (!given_.contains(port) && CanListen(host_, port)) {
      given_.insert(port);
      return port;
    }
  }
  for (int attempt = 0; attempt < kPickAttempts; ++attempt) {
    const int port = below_ - 1 - static_cast<int>(random_.Below(kPickWidth));
    if (given_.contains(port) || !CanListen(host_, port)) continue;
    given_.insert(port);
    return port;
  }
  return absl::UnavailableError(absl::StrCat("no free port on ", host_));
}

HostClaim::~HostClaim() {
  if (fd_ >= 0) close(fd_);
}

bool HostClaim::Take() {
  // A name of Linux's abstract space: bound once at a time, gone with its last descriptor, and in the same network
  // namespace as the address.
  const std::string name = absl::StrCat("fleetcast-dev-", host_);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (name.size() + 1 > sizeof(address.sun_path)) return false;
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    if (fd >= 0) close(fd);
    return false;
  }
  fd_ = fd;
  return true;
}

HostClaim FindHost(const std::vector<int>& ports) {
  for (int i = 1; i <= kLoopbackHosts; ++i) {
    HostClaim claim(absl::StrCat("127.0.0.", i));
    if (!claim.Take()) continue;
    if (std::all_of(ports.begin(), ports.end(), [&](int port) { return CanListen(claim.host(), port); })) return claim;
  }
  return HostClaim("127.0.0.1");
}

}  // namespace fleetcast::dev
