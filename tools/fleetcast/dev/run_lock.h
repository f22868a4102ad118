// One stack per env file: who runs it holds a lock beside it. The lock goes with its process, however that ends.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace fleetcast::dev {

class RunLock {
 public:
  explicit RunLock(std::string env_file);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  // Takes the lock for this process. ALREADY_EXISTS names the process that has it.
  absl::Status Take();

  // The process that holds the lock, if any.
  std::optional<pid_t> Holder() const;

 private:
  const std::string path_;
  int fd_ = -1;
};

}  // namespace fleetcast::dev
