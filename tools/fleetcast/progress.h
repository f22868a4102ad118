// The progress of a job as one line for people. Pure: time and width are arguments.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace fleetcast::cli {

// The counts of a job that its progress is made of.
struct Counts {
  int64_t total = 0;
  int64_t done = 0;           // Have an outcome, whichever.
  int64_t failures = 0;       // Of these, not succeeded.
  int64_t device_errors = 0;  // Of those that succeeded: answered with an error status.
};

// "1234567" as "1,234,567".
std::string GroupDigits(int64_t number);

// Follows a job and tells its rate and when it will be over, from the last few seconds. Used by one thread.
class ProgressMeter {
 public:
  // What was true at `now` (monotonic). Calls in order of time.
  void Update(const Counts& counts, absl::Duration now);

  // Devices a second over the last seconds; 0 until there is something to measure.
  double rate() const;
  // Time until done at that rate; infinite when unknown.
  absl::Duration remaining() const;
  const Counts& counts() const { return counts_; }

  // `label` (the job and its state), bar, done/total, share, rate, remaining time, failures and device errors, in at
  // most `width` columns: the bar gives way first.
  std::string Line(std::string_view label, int width) const;

 private:
  struct Sample {
    absl::Duration time;
    int64_t done;
  };
  static constexpr absl::Duration kWindow = absl::Seconds(5);

  Counts counts_;
  std::deque<Sample> samples_;  // The last kWindow, oldest first.
};

}  // namespace fleetcast::cli
