#include "tools/fleetcast/transfer_progress.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "tools/fleetcast/files.h"
#include "tools/fleetcast/terminal.h"

namespace fleetcast::cli {
namespace {

constexpr absl::Duration kLiveInterval = absl::Milliseconds(100);

}  // namespace

TransferProgress::TransferProgress(std::string label)
    : label_(std::move(label)),
      is_terminal_(isatty(STDERR_FILENO) != 0),
      start_(SystemClock().Monotonic()),
      next_(start_ + (is_terminal_ ? absl::ZeroDuration() : kPlainInterval)) {}

void TransferProgress::Show(const Counts& counts) {
  const absl::Duration now = SystemClock().Monotonic();
  if (now < next_) return;
  next_ = now + (is_terminal_ ? kLiveInterval : kPlainInterval);
  Counts shown = counts;
  if (shown.total < shown.done) shown.total = shown.done;  // An estimate may fall behind.
  meter_.Update(shown, now);
  if (is_terminal_) {
    std::fprintf(stderr, "\r\033[K%s", meter_.Line(label_, TerminalColumns() - 1).c_str());
    std::fflush(stderr);
    has_open_line_ = true;
  } else {
    std::fprintf(stderr, "%s\n", meter_.Line(label_, kColumnsDefault).c_str());
  }
}

void TransferProgress::Close() {
  if (has_open_line_) std::fputs("\n", stderr);
  has_open_line_ = false;
}

absl::Duration TransferProgress::elapsed() const { return SystemClock().Monotonic() - start_; }

std::string PeakMemory() {
  // Not getrusage: its maximum is that of the process before exec too, so that of whoever started us.
  const std::string status = files::Read("/proc/self/status").value_or("");
  const size_t at = status.find("VmHWM:");
  const int64_t kib = at == std::string::npos ? 0 : std::strtoll(status.c_str() + at + 6, nullptr, 10);
  return absl::StrCat(kib / 1024, " MiB");
}

}  // namespace fleetcast::cli
