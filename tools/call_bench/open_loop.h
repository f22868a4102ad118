// Calls at a fixed rate, and how long each took.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace fleetcast::call_bench {

// Call n (from 0) is meant to begin n / rate after the start, and its latency counts from then: a system that holds the
// generator up is charged for it. Times are monotonic. Pure; not thread-safe.
class OpenLoop {
 public:
  // `rate` calls a second for `seconds`, both positive; `start` is when the first is meant to begin.
  OpenLoop(double rate, double seconds, absl::Duration start);

  // Whether another call is due now.
  bool IsDue(absl::Duration now) const { return begun_ < total_ && now >= IntendedTime(begun_); }
  // The number of the call that begins now.
  int64_t Begin() { return begun_++; }
  // When the next call is due; infinite when all have begun.
  absl::Duration NextDue() const { return begun_ < total_ ? IntendedTime(begun_) : absl::InfiniteDuration(); }
  // Call `number` is answered. False if there is no such call, or it had ended before.
  bool End(int64_t number, absl::Duration now);

  int64_t total() const { return total_; }
  int64_t begun() const { return begun_; }
  int64_t ended() const { return ended_; }

  // {"name":…,"rate":…,"calls":…,"p50_ms":…,"p99_ms":…,"max_ms":…} of the calls that have ended.
  std::string Summary(std::string_view name) const;

 private:
  absl::Duration IntendedTime(int64_t number) const {
    return start_ + absl::Seconds(static_cast<double>(number) / rate_);
  }

  const double rate_;
  const int64_t total_;
  const absl::Duration start_;
  int64_t begun_ = 0;
  int64_t ended_ = 0;
  std::vector<float> milliseconds_;  // By number; negative: not ended.
};

}  // namespace fleetcast::call_bench
