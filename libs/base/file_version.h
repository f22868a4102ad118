// Tells one version of a file from another, for files that may be replaced while we use them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace fleetcast {

// What stat() says of a file (following links, as Kubernetes puts Secrets there) at the moment of construction. Two are
// equal when nobody wrote or replaced the file in between. A file that is not there is a version, too. Take it before
// you read the file: what changes while you read is then another version.
struct FileVersion {
  explicit FileVersion(const std::string& file);
  bool operator==(const FileVersion&) const = default;

  ino_t inode = 0;
  off_t size = 0;
  int64_t changed_nanoseconds = 0;  // Since 1970, by the file system's clock.
};

}  // namespace fleetcast
