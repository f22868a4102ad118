// What an edge that is being emptied says of itself, as progress. Pure: time is an argument.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "tools/fleetcast/progress.h"

namespace fleetcast::cli {

// An edge at one moment, as device_connection knows it.
struct EdgeReport {
  enum class State { kUnknown, kServing, kDraining, kDrained };
  State state = State::kUnknown;
  int64_t connections = 0;
};

// Follows one edge from the order to empty it on. Used by one thread.
class DrainProgress {
 public:
  // An edge hears of the order within a moment, and says so at once.
  static constexpr absl::Duration kBeginLimit = absl::Seconds(10);

  enum class Verdict {
    kGoesOn,
    kEmpty,      // It takes no devices and has none.
    kGone,       // No edge of this name is there any more: whoever ended it did not wait.
    kRestarted,  // It takes devices (again): its process was started anew.
    kSilent,     // It did not begin within kBeginLimit.
  };

  // `now`, monotonic: when the order was given.
  explicit DrainProgress(absl::Duration now) : begin_(now) {}

  // What was found at `now`; nullopt when no such edge is attached.
  Verdict Update(const std::optional<EdgeReport>& report, absl::Duration now);

  // Of the most connections that were seen, how many have gone.
  const Counts& counts() const { return counts_; }

 private:
  const absl::Duration begin_;
  bool has_begun_ = false;
  Counts counts_;
};

}  // namespace fleetcast::cli
