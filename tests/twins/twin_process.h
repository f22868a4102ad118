// A `fleetcast-twin` of a test's own that can be killed and started again.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace fleetcast::twin_history {

// Not thread-safe. The process ends with the test, whatever happens to it.
class TwinProcess {
 public:
  // `postgres`: the connection string of an empty database. `feed_address`: where changes are published.
  TwinProcess(std::string postgres, std::string feed_address);
  ~TwinProcess();
  TwinProcess(const TwinProcess&) = delete;
  TwinProcess& operator=(const TwinProcess&) = delete;

  const std::string& address() const { return address_; }

  void Start();
  // kill -9.
  void Kill();

 private:
  std::string postgres_;
  std::string feed_address_;
  std::string address_;   // The same after each start.
  std::string key_file_;  // That of --key-encryption-key-file.
  pid_t pid_ = -1;
};

}  // namespace fleetcast::twin_history
