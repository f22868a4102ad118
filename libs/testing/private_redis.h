// A Redis server for tests, on a unix socket in a directory of its own.
#pragma once

#include <string>

#include "libs/testing/private_server.h"

namespace fleetcast::testing {

// Starts in some 20 ms.
class PrivateRedis {
 public:
  enum class Memory {
    kVolatile,  // Keeps nothing on disk.
    kDurable,   // Has on disk what it has answered.
  };

  // Returns when the server accepts connections; ends the process with the server's log when it does not.
  explicit PrivateRedis(Memory memory = Memory::kVolatile);

  // kill -9; and another start at the same address, as the constructor does it.
  void Kill() { server_.Stop(); }
  void Start();

  // "unix:/path/of/socket", as redis::Client::Options::address takes it.
  std::string address() const;

 private:
  const Memory memory_;
  PrivateServer server_;
};

}  // namespace fleetcast::testing
