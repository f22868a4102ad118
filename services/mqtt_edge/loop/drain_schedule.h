// How an edge empties: which connections go, and when. Pure; a loop acts on it (event_loop_drain.cc).
#pragma once

#include <cstddef>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/random.h"
#include "services/mqtt_edge/connection/session_id.h"

namespace fleetcast::mqtt_edge {

// How fast. The pace of closes is the pace at which other edges get the devices (D-ST-1).
struct DrainPace {
  absl::Duration over;               // All within this time, evenly; zero: at once.
  double closes_per_second = 0;      // Above 0: this instead.
  double closes_per_second_min = 0;  // With `over`: not slower than this, so that few are done soon.
};

// The connections of one loop that are to go, from the moment on at which no others come. Used by one thread.
class DrainSchedule {
 public:
  // After a pause, at most what was due in this time is closed together.
  static constexpr absl::Duration kCatchUp = absl::Milliseconds(250);

  // `open`: those that are to go; the first of them at `now`, monotonic.
  DrainSchedule(std::vector<SessionId> open, const DrainPace& pace, absl::Duration now);

  // From now on at `pace`; `over` begins now, for those that still wait.
  void ChangePace(const DrainPace& pace, absl::Duration now);

  // Those whose turn has come at `now`, in random order; each is named once. Some may have ended by themselves.
  std::vector<SessionId> TakeDue(absl::Duration now, Random& random);

  // When TakeDue has one again, monotonic; infinite when none waits.
  absl::Duration NextAt() const;
  size_t waiting() const { return waiting_.size(); }

 private:
  std::vector<SessionId> waiting_;
  double closes_per_second_ = 0;  // Infinite: at once.
  double credit_ = 1;             // Connections that may be closed at counted_at_.
  absl::Duration counted_at_;
};

}  // namespace fleetcast::mqtt_edge
