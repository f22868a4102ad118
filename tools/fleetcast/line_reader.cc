#include "tools/fleetcast/line_reader.h"

#include <cerrno>
#include <utility>

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::cli {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 16;

}  // namespace

absl::StatusOr<LineReader> LineReader::Open(const std::string& path) {
  if (path == "-") return LineReader(stdin, 0);
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return files::SystemError(errno, path);
  struct stat status = {};
  const bool is_regular = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode);
  setvbuf(file, nullptr, _IOFBF, kBufferBytes);
  return LineReader(file, is_regular ? status.st_size : 0);
}

LineReader::~LineReader() {
  if (file_ != nullptr && file_ != stdin) std::fclose(file_);
}

LineReader::LineReader(LineReader&& other) noexcept
    : file_(std::exchange(other.file_, nullptr)), size_(other.size_), lines_(other.lines_), bytes_(other.bytes_) {}

absl::StatusOr<bool> LineReader::Next(std::string& line) {
  line.clear();
  int c = 0;
  while ((c = getc_unlocked(file_)) != EOF && c != '\n') {
    if (line.size() == kLineBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat("line ", lines_ + 1, " is longer than ", kLineBytesMax, " bytes"));
    }
    line.push_back(static_cast<char>(c));
  }
  if (std::ferror(file_) != 0) return absl::UnavailableError("the input cannot be read");
  bytes_ += static_cast<int64_t>(line.size()) + 1;
  if (c == EOF && line.empty()) return false;
  ++lines_;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

}  // namespace fleetcast::cli
