// A Redis server for tests, on a unix socket in a directory of its own.
#pragma once

#include <string>

#include "libs/testing/private_server.h"

namespace fleetcast::testing {

// Starts in some 20 ms. Keeps nothing on disk.
class PrivateRedis {
 public:
  // Returns when the server accepts connections; ends the process with the server's log when it does not.
  PrivateRedis();

  // "unix:/path/of/socket", as redis::Client::Options::address takes it.
  std::string address() const;

 private:
  PrivateServer server_;
};

}  // namespace fleetcast::testing
