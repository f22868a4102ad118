#include "libs/base/file_version.h"

#include <sys/stat.h>

#include "absl/time/time.h"

namespace fleetcast {

FileVersion::FileVersion(const std::string& file) {
  struct stat status = {};
  if (stat(file.c_str(), &status) != 0) return;
  inode = status.st_ino;
  size = status.st_size;
  changed_nanoseconds = absl::ToUnixNanos(absl::TimeFromTimespec(status.st_mtim));
}

}  // namespace fleetcast
