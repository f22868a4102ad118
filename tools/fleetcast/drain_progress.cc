#include "tools/fleetcast/drain_progress.h"

#include <algorithm>

namespace fleetcast::cli {

DrainProgress::Verdict DrainProgress::Update(const std::optional<EdgeReport>& report, absl::Duration now) {
  using State = EdgeReport::State;
  if (!report.has_value()) return Verdict::kGone;
  counts_.total = std::max(counts_.total, report->connections);  // It may take some more at first.
  counts_.done = counts_.total - report->connections;
  if (report->state == State::kDrained) return Verdict::kEmpty;
  has_begun_ = has_begun_ || report->state == State::kDraining;
  if (has_begun_) return report->state == State::kDraining ? Verdict::kGoesOn : Verdict::kRestarted;
  return now - begin_ < kBeginLimit ? Verdict::kGoesOn : Verdict::kSilent;
}

}  // namespace fleetcast::cli
