// When reports on calls leave the loop: at once at rest, in larger frames under load.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/mqtt_edge/connection/effects.h"
#include "services/mqtt_edge/link/busy_window.h"

namespace fleetcast::mqtt_edge {

// Reports that wait for the next frame. NOT_SENT and the ends of calls are due at once, but under load (kBusyReports)
// they gather for kGather: a frame costs every hop on the way the wake-up of a thread, however few are in it. SENT
// always gathers, and is left out when the end of its call overtakes it, since the end says all that SENT would. Times
// are monotonic. Pure; not thread-safe.
class ReportGather {
 public:
  static constexpr absl::Duration kGather = absl::Milliseconds(4);
  static constexpr int kBusyReports = 20;  // In a BusyWindow.

  void Add(CallReport report, absl::Duration now);

  // When the oldest report has to go; infinite when there is none.
  absl::Duration due() const { return due_; }
  // Bytes of what waits, more or less.
  size_t bytes() const { return bytes_; }
  // Everything that waits, in the order in which it came.
  std::vector<CallReport> Take();

 private:
  // The place of the SENT that `report` makes needless, or null.
  CallReport* OvertakenSent(const CallReport& report);

  std::vector<CallReport> reports_;
  absl::flat_hash_map<uint64_t, size_t> sent_;  // Call id of a SENT to its place in reports_.
  size_t bytes_ = 0;
  absl::Duration due_ = absl::InfiniteDuration();
  BusyWindow load_{kBusyReports};
};

}  // namespace fleetcast::mqtt_edge
