#include "tools/fleetcast/files.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace fleetcast::files {
namespace {

constexpr size_t kFileBytesMax = 16 << 20;

}  // namespace

absl::Status SystemError(int error, std::string_view what) {
  const std::string message = absl::StrCat(Absl(what), ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(message);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  return absl::UnavailableError(message);
}

absl::StatusOr<std::string> Read(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, path);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  std::string text;
  char buffer[16384];
  while (true) {
    const ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(errno, path);
    if (count == 0) return text;
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > kFileBytesMax) return absl::ResourceExhaustedError(absl::StrCat(path, ": too large"));
  }
}

absl::Status Replace(const std::string& path, std::string_view text, mode_t mode) {
  const std::string temporary = absl::StrCat(path, ".new.", getpid());
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return SystemError(errno, temporary);
  absl::Cleanup remove = [&temporary] { unlink(temporary.c_str()); };
  bool good = fchmod(fd, mode) == 0;
  while (good && !text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    good = count >= 0;
    if (good) text.remove_prefix(static_cast<size_t>(count));
  }
  const int error = errno;
  close(fd);
  if (!good) return SystemError(error, temporary);
  if (rename(temporary.c_str(), path.c_str()) != 0) return SystemError(errno, path);
  std::move(remove).Cancel();
  return absl::OkStatus();
}

absl::Status MakeDirectory(const std::string& path, mode_t mode) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return SystemError(error.value(), path);
  struct stat found = {};
  if (lstat(path.c_str(), &found) != 0) return SystemError(errno, path);
  if (!S_ISDIR(found.st_mode)) return absl::FailedPreconditionError(absl::StrCat(path, " is not a directory"));
  if (found.st_uid != geteuid()) return absl::PermissionDeniedError(absl::StrCat(path, " belongs to another user"));
  if (chmod(path.c_str(), mode) != 0) return SystemError(errno, path);
  return absl::OkStatus();
}

std::string Absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute =
      std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  return error ? path : absolute.string();
}

}  // namespace fleetcast::files
