#include "tools/fleetsim/line_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace fleetcast::fleetsim {

absl::StatusOr<LineFile> LineFile::Open(std::string_view flag, const std::string& path) {
  if (path.empty()) return LineFile(-1);
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return absl::InvalidArgumentError(absl::StrCat(Absl(flag), " ", path, ": ", std::strerror(errno)));
  return LineFile(fd);
}

LineFile::~LineFile() {
  Flush();
  if (fd_ >= 0) close(fd_);
}

void LineFile::Flush() {
  std::string_view rest = buffer_;
  while (fd_ >= 0 && !rest.empty()) {
    const ssize_t count = write(fd_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;  // A full disk must not stop the fleet.
    rest.remove_prefix(static_cast<size_t>(count));
  }
  buffer_.clear();
}

}  // namespace fleetcast::fleetsim
