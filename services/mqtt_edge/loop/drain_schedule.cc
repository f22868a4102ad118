#include "services/mqtt_edge/loop/drain_schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace fleetcast::mqtt_edge {
namespace {

double ClosesPerSecond(const DrainPace& pace, size_t waiting) {
  if (pace.closes_per_second > 0) return pace.closes_per_second;
  if (pace.over <= absl::ZeroDuration()) return std::numeric_limits<double>::infinity();
  return std::max(pace.closes_per_second_min, static_cast<double>(waiting) / absl::ToDoubleSeconds(pace.over));
}

}  // namespace

DrainSchedule::DrainSchedule(std::vector<SessionId> open, const DrainPace& pace, absl::Duration now)
    : waiting_(std::move(open)), closes_per_second_(ClosesPerSecond(pace, waiting_.size())), counted_at_(now) {}

void DrainSchedule::ChangePace(const DrainPace& pace, absl::Duration now) {
  closes_per_second_ = ClosesPerSecond(pace, waiting_.size());
  counted_at_ = now;
}

std::vector<SessionId> DrainSchedule::TakeDue(absl::Duration now, Random& random) {
  if (std::isinf(closes_per_second_)) return std::exchange(waiting_, {});
  const double most = std::max(1.0, closes_per_second_ * absl::ToDoubleSeconds(kCatchUp));
  credit_ = std::min(most, credit_ + closes_per_second_ * absl::ToDoubleSeconds(now - counted_at_));
  counted_at_ = now;
  std::vector<SessionId> due;
  for (; credit_ >= 1 && !waiting_.empty(); credit_ -= 1) {
    std::swap(waiting_[random.Below(waiting_.size())], waiting_.back());
    due.push_back(waiting_.back());
    waiting_.pop_back();
  }
  return due;
}

absl::Duration DrainSchedule::NextAt() const {
  if (waiting_.empty()) return absl::InfiniteDuration();
  if (credit_ >= 1 || std::isinf(closes_per_second_)) return counted_at_;
  return counted_at_ + absl::Seconds((1 - credit_) / closes_per_second_);
}

}  // namespace fleetcast::mqtt_edge
