#include "libs/testing/private_redis.h"

#include <cstdio>
#include <string>
#include <vector>

#include "libs/base/check.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::testing {
namespace {

constexpr absl::Duration kRedisStartLimit = absl::Seconds(30);

}  // namespace

PrivateRedis::PrivateRedis(Memory memory) : memory_(memory), server_("redis") { Start(); }

void PrivateRedis::Start() {
  const std::string socket = server_.directory() / "redis.sock";
  std::vector<std::string> command = {"redis-server", "--port", "0", "--unixsocket", socket, "--unixsocketperm", "777"};
  command.insert(command.end(), {"--dir", server_.directory(), "--save", ""});
  command.insert(command.end(),
                 {"--appendonly", memory_ == Memory::kDurable ? "yes" : "no", "--appendfsync", "always"});
  server_.Start(command, "redis.log", "KILL");
  const bool ready =
      WaitFor([this] { return server_.ReadFile("redis.log").find("ready to accept connections") != std::string::npos; },
              kRedisStartLimit);
  if (!ready) std::fprintf(stderr, "private redis failed:\n%s\n", server_.ReadFile("redis.log").c_str());
  FLEETCAST_CHECK(ready);
}

std::string PrivateRedis::address() const { return "unix:" + (server_.directory() / "redis.sock").string(); }

}  // namespace fleetcast::testing
