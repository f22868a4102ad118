// When to stop asking a dependency that does not answer.
#pragma once

#include "absl/time/time.h"

namespace fleetcast::redis {

// Closed: everything passes. After `failures_to_open` failures in a row it opens: nothing passes until a back-off is
// over. Then one probe passes (half-open); its success closes the breaker, its failure opens it again for twice as
// long, up to `open_max`. Pure: `now` is an argument (monotonic). Not thread-safe.
class CircuitBreaker {
 public:
  struct Options {
    int failures_to_open = 3;
    absl::Duration open_first = absl::Milliseconds(100);
    absl::Duration open_max = absl::Seconds(2);
  };

  explicit CircuitBreaker(const Options& options) : options_(options) {}

  // True if the caller may try now. Every true must be followed by OnSuccess or OnFailure.
  bool Allow(absl::Duration now);
  void OnSuccess();
  void OnFailure(absl::Duration now);

  // True while calls are refused or only a probe is let through.
  bool is_open() const { return state_ != State::kClosed; }

 private:
  enum class State { kClosed, kOpen, kProbing };

  const Options options_;
  State state_ = State::kClosed;
  int failures_ = 0;
  absl::Duration open_for_;
  absl::Duration open_until_;
};

}  // namespace fleetcast::redis
