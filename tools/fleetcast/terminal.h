// Where progress is shown: standard error, a terminal or not.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include "absl/time/time.h"

namespace fleetcast::cli {

// Columns of a line when there is no terminal that has a width.
inline constexpr int kColumnsDefault = 100;
// Between progress lines when there is no terminal.
inline constexpr absl::Duration kPlainInterval = absl::Seconds(5);

inline int TerminalColumns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kColumnsDefault;
}

}  // namespace fleetcast::cli
