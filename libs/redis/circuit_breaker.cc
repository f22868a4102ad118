#include "libs/redis/circuit_breaker.h"

#include <algorithm>

namespace fleetcast::redis {

bool CircuitBreaker::Allow(absl::Duration now) {
  switch (state_) {
    case State::kClosed: return true;
    case State::kOpen:
      if (now < open_until_) return false;
      state_ = State::kProbing;
      return true;
    case State::kProbing: return false;
  }
  return false;
}

void CircuitBreaker::OnSuccess() {
  state_ = State::kClosed;
  failures_ = 0;
  open_for_ = absl::ZeroDuration();
}

void CircuitBreaker::OnFailure(absl::Duration now) {
  ++failures_;
  if (state_ == State::kClosed && failures_ < options_.failures_to_open) return;
  // A call that began before the breaker opened may fail while it is open: that is no second incident.
  if (state_ == State::kOpen) return;
  open_for_ = open_for_ == absl::ZeroDuration() ? options_.open_first : std::min(open_for_ * 2, options_.open_max);
  open_until_ = now + open_for_;
  state_ = State::kOpen;
}

}  // namespace fleetcast::redis
