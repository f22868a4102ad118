// How far an import or export is, on standard error: a live line on a terminal, else a line now and then.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "tools/fleetcast/progress.h"

namespace fleetcast::cli {

// Used by one thread.
class TransferProgress {
 public:
  // `label`: what is done, for instance "import".
  explicit TransferProgress(std::string label);

  // What is done by now; `counts.total` 0 = not known.
  void Show(const Counts& counts);

  // Ends the live line, so that something else can be printed.
  void Close();

  // Since the start.
  absl::Duration elapsed() const;

 private:
  const std::string label_;
  const bool is_terminal_;
  const absl::Duration start_;
  bool has_open_line_ = false;
  absl::Duration next_;
  ProgressMeter meter_;
};

// The most memory that this process has used, for people: "23 MiB".
std::string PeakMemory();

}  // namespace fleetcast::cli
