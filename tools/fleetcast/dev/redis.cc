#include "tools/fleetcast/dev/redis.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace fleetcast::dev {
namespace {

// Whether Redis answers PING with PONG: while it loads its file it answers an error.
bool AnswersPing(const std::string& host, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const timeval limit = {0, 200'000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  constexpr std::string_view kPing = "PING\r\n";
  char answer[5] = {};
  const bool good = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
                    send(fd, kPing.data(), kPing.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(kPing.size()) &&
                    recv(fd, answer, sizeof(answer), MSG_WAITALL) == sizeof(answer) &&
                    std::string_view(answer, sizeof(answer)) == "+PONG";
  close(fd);
  return good;
}

}  // namespace

absl::StatusOr<std::string> FindRedis() {
  for (const char* const program : {"/usr/bin/redis-server", "/usr/local/bin/redis-server"}) {
    if (access(program, X_OK) == 0) return program;
  }
  return absl::NotFoundError("Redis is not installed\ntry:   scripts/install-deps");
}

ChildSpec RedisChild(const Stack& stack) {
  ChildSpec spec;
  spec.name = kRedisName;
  spec.command = {FindRedis().value_or("redis-server"),
                  "--bind",
                  stack.options.host,
                  "--port",
                  absl::StrCat(stack.redis_port),
                  "--dir",
                  stack.Path("redis"),
                  "--save",
                  "",
                  "--appendonly",
                  "yes",
                  "--appendfsync",
                  "everysec"};
  spec.log_file = stack.Path("logs/redis.log");
  spec.orphan_signal = SIGTERM;
  spec.is_ready = [host = stack.options.host, port = stack.redis_port] { return AnswersPing(host, port); };
  return spec;
}

}  // namespace fleetcast::dev
