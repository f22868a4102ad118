#include "libs/testing/private_redis.h"

#include <cstdio>

#include "libs/base/check.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::testing {
namespace {

constexpr absl::Duration kStartLimit = absl::Seconds(30);

}  // namespace

PrivateRedis::PrivateRedis() : server_("redis") {
  server_.Start({"redis-server", "--port", "0", "--unixsocket", server_.directory() / "redis.sock", "--unixsocketperm",
                 "777", "--dir", server_.directory(), "--save", "", "--appendonly", "no"},
                "redis.log", "KILL");
  const bool ready =
      WaitFor([this] { return server_.ReadFile("redis.log").find("ready to accept connections") != std::string::npos; },
              kStartLimit);
  if (!ready) std::fprintf(stderr, "private redis failed:\n%s\n", server_.ReadFile("redis.log").c_str());
  FLEETCAST_CHECK(ready);
}

std::string PrivateRedis::address() const { return "unix:" + (server_.directory() / "redis.sock").string(); }

}  // namespace fleetcast::testing
