#include "services/scheduler/pacer.h"

#include <algorithm>
#include <limits>

namespace fleetcast::scheduler {
namespace {

// The most of the rate that is started at once: starts are spread evenly, and ticks of the loop may come late.
constexpr double kBurstSeconds = 0.25;
constexpr double kSecondsPerMinute = 60;

}  // namespace

RolloutProgress ProgressOf(const job_store::JobCounts& counts) {
  return {.notified = counts.running + counts.succeeded + counts.failed + counts.timed_out,
          .succeeded = counts.succeeded,
          .failed = counts.failed,
          .timed_out = counts.timed_out,
          .device_errors = counts.device_errors};
}

Pacer::Pacer(const RolloutPolicy& policy, const job_store::JobCounts& counts, int unit, absl::Duration now)
    : policy_(policy), progress_(ProgressOf(counts)), unit_(unit), filled_(now), elsewhere_(counts.running) {}

void Pacer::SetPolicy(const RolloutPolicy& policy, absl::Duration now) {
  if (policy == policy_) return;
  Fill(now);
  policy_ = policy;
  bucket_ = std::min(bucket_, 0.0);
}

void Pacer::OnLeased(int in_flight, bool more_issued) {
  elsewhere_ = more_issued ? std::max<int64_t>(0, elsewhere_ - in_flight) : 0;
}

void Pacer::OnCounts(const job_store::JobCounts& counts) {
  const int64_t notified = progress_.notified;
  progress_ = ProgressOf(counts);
  // What was started here after the counts were read is not to be forgotten, or the ramp would step back.
  progress_.notified = std::max(progress_.notified, notified);
}

double Pacer::BucketMax(double per_second) const { return std::max<double>(unit_, per_second * kBurstSeconds); }

void Pacer::Fill(absl::Duration now) {
  const std::optional<double> per_minute = RatePerMinute(policy_, progress_);
  const double seconds = std::max(0.0, absl::ToDoubleSeconds(now - filled_));
  filled_ = std::max(filled_, now);
  if (!per_minute.has_value()) return;
  const double per_second = *per_minute / kSecondsPerMinute;
  bucket_ = std::min(bucket_ + seconds * per_second, BucketMax(per_second));
}

int Pacer::Allowed(int ready, int again, int64_t issued, absl::Duration now) {
  Fill(now);
  const int fresh = ready - again;
  const int unit = std::min(unit_, std::max(fresh, 1));
  room_ = fresh;
  if (policy_.in_flight_max > 0) {
    const int64_t flying = elsewhere_ + issued;
    const int64_t free = std::max<int64_t>(0, policy_.in_flight_max - flying);
    // What can only be started together and is more than the whole limit is started alone.
    room_ = free < unit ? (flying == 0 ? unit : 0) : std::min<int64_t>(fresh, free);
  }
  int64_t allowed = std::min<int64_t>(ready, again + room_);
  if (RatePerMinute(policy_, progress_).has_value()) {
    const auto tokens = static_cast<int64_t>(std::max(0.0, bucket_));
    allowed = tokens < std::min<int64_t>(unit, allowed) ? 0 : std::min(allowed, tokens);
  }
  return static_cast<int>(allowed);
}

void Pacer::Started(int targets, int again) {
  progress_.notified += targets - again;
  room_ = std::max<int64_t>(0, room_ - (targets - again));
  if (RatePerMinute(policy_, progress_).has_value()) bucket_ -= targets;
}

void Pacer::Ended(ExecutionState state, bool is_device_error) {
  switch (state) {
    case ExecutionState::kSucceeded: ++progress_.succeeded; break;
    case ExecutionState::kFailed: ++progress_.failed; break;
    case ExecutionState::kTimedOut: ++progress_.timed_out; break;
    case ExecutionState::kPending:
    case ExecutionState::kRunning:
    case ExecutionState::kCanceled: return;
  }
  if (is_device_error) ++progress_.device_errors;
}

double Pacer::Wanted(absl::Duration span) const {
  double wanted = std::numeric_limits<double>::infinity();
  if (const std::optional<double> per_minute = RatePerMinute(policy_, progress_)) {
    wanted = *per_minute / kSecondsPerMinute * absl::ToDoubleSeconds(span);
  }
  return policy_.in_flight_max > 0 ? std::min<double>(wanted, policy_.in_flight_max) : wanted;
}

}  // namespace fleetcast::scheduler
