// A file that grows by whole lines, for logs that others read while they are written.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace fleetcast::fleetsim {

// Not thread-safe. Moved-from: as opened without a path.
class LineFile {
 public:
  // An empty path: nothing is written. An existing file is replaced. INVALID_ARGUMENT names `flag` and the path.
  static absl::StatusOr<LineFile> Open(std::string_view flag, const std::string& path);
  LineFile(LineFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  LineFile& operator=(LineFile&&) = delete;
  ~LineFile();

  bool is_open() const { return fd_ >= 0; }
  // Lines, each with its line break, that the next Flush writes.
  std::string& buffer() { return buffer_; }
  // Hands the lines to the kernel: they survive the end of this process, however it ends.
  void Flush();

 private:
  explicit LineFile(int fd) : fd_(fd) {}

  int fd_;
  std::string buffer_;
};

}  // namespace fleetcast::fleetsim
