// Reports on calls that a replica has not acknowledged yet.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "services/mqtt_edge/connection/effects.h"

namespace fleetcast::mqtt_edge {

// A queue with a cursor: everything before it was sent on the current stream, everything in it is unacknowledged.
// Bounded in reports and payload bytes; when full, the oldest is dropped (its caller hears nothing and says UNKNOWN
// at its deadline). Not thread-safe.
class ReportLog {
 public:
  struct Entry {
    uint64_t sequence = 0;
    CallReport report;
  };

  ReportLog(size_t reports_max, size_t bytes_max) : reports_max_(reports_max), bytes_max_(bytes_max) {}

  // Numbers `report`, one more than the one before. How many old ones were dropped for it.
  size_t Append(CallReport report);

  // The next reports to send, at most `count_max` and about `bytes_max` of payload, and moves the cursor behind them.
  // The pointers live until the next call.
  std::vector<const Entry*> TakeUnsent(size_t count_max, size_t bytes_max);

  bool has_unsent() const { return cursor_ < entries_.size(); }

  // The stream is new: everything has to be sent again.
  void Rewind() { cursor_ = 0; }

  // Forgets everything up to and including `sequence`.
  void Acknowledge(uint64_t sequence);

  size_t size() const { return entries_.size(); }

 private:
  void PopFront();

  const size_t reports_max_;
  const size_t bytes_max_;
  std::deque<Entry> entries_;
  size_t cursor_ = 0;  // Index of the first unsent entry.
  size_t bytes_ = 0;
  uint64_t last_sequence_ = 0;
};

}  // namespace fleetcast::mqtt_edge
