// Lines of a file or of standard input, one at a time, in bounded memory.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/status/statusor.h"

namespace fleetcast::cli {

// Used by one thread.
class LineReader {
 public:
  static constexpr size_t kLineBytesMax = size_t{1} << 20;

  // "-" is standard input. NOT_FOUND, PERMISSION_DENIED.
  static absl::StatusOr<LineReader> Open(const std::string& path);
  ~LineReader();
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;

  // Reads the next line without its break. False at the end. INVALID_ARGUMENT for a line above kLineBytesMax.
  absl::StatusOr<bool> Next(std::string& line);

  int64_t lines() const { return lines_; }  // That were read.
  int64_t bytes() const { return bytes_; }  // That were read.
  int64_t size() const { return size_; }    // Of the file; 0 = not known.

 private:
  LineReader(std::FILE* file, int64_t size) : file_(file), size_(size) {}

  std::FILE* file_;
  const int64_t size_;
  int64_t lines_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace fleetcast::cli
