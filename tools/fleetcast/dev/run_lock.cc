#include "tools/fleetcast/dev/run_lock.h"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::dev {
namespace {

struct flock WholeFile() {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

RunLock::RunLock(std::string env_file) : path_(absl::StrCat(env_file, ".lock")) {}

RunLock::~RunLock() {
  if (fd_ >= 0) close(fd_);
}

absl::Status RunLock::Take() {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) return files::SystemError(errno, path_);
  struct flock lock = WholeFile();
  if (fcntl(fd_, F_SETLK, &lock) == 0) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("it runs already (pid ", Holder().value_or(0), ")"));
}

std::optional<pid_t> RunLock::Holder() const {
  const int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  struct flock lock = WholeFile();
  const bool held = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  close(fd);
  return held ? std::optional(lock.l_pid) : std::nullopt;
}

}  // namespace fleetcast::dev
