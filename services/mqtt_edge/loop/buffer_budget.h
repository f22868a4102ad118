// What a process does about bytes that wait in the buffers of its connections (reliability.md 7.13).
#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace fleetcast::mqtt_edge {

// Decides by how many bytes there are; who acts is the loop. Times are monotonic. Not thread-safe.
class BufferBudget {
 public:
  enum class Pressure : uint8_t {
    kNone,
    kHold,  // Nothing is accepted, and connections that hold more than kFairBytes are not read.
    kShed,  // Those that hold most are closed.
  };

  static constexpr int64_t kFairBytes = 16 * 1024;
  static constexpr absl::Duration kHoldMax = absl::Seconds(5);  // What does not pass in that time is shed.

  // `bytes_max` 0: no limit.
  explicit BufferBudget(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // `buffered` in the whole process now. kHold from 80 % on; kShed from 95 %, or after kHoldMax of kHold.
  Pressure Look(int64_t buffered, absl::Duration now);

  // How many of its own bytes a loop has to shed, so that the process gets down to 70 % if all do.
  int64_t ToShed(int64_t buffered, int64_t own) const;

 private:
  const int64_t bytes_max_;
  absl::Duration holds_since_ = absl::InfiniteDuration();
};

// A connection as it is chosen to be shed.
struct ShedCandidate {
  uint32_t slot = 0;
  bool is_connected = false;  // It has been accepted; else nobody knows who it is.
  int64_t bytes = 0;
};

// The slots to close, so that `bytes` become free: strangers first, and those that hold most first. Sorts `candidates`.
std::vector<uint32_t> ChooseToShed(std::vector<ShedCandidate>& candidates, int64_t bytes);

}  // namespace fleetcast::mqtt_edge
