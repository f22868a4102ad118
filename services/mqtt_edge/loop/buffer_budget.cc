#include "services/mqtt_edge/loop/buffer_budget.h"

#include <algorithm>

namespace fleetcast::mqtt_edge {
namespace {

constexpr double kHoldShare = 0.8;
constexpr double kShedShare = 0.95;
constexpr double kGoalShare = 0.7;

}  // namespace

BufferBudget::Pressure BufferBudget::Look(int64_t buffered, absl::Duration now) {
  const double used = bytes_max_ > 0 ? static_cast<double>(buffered) / static_cast<double>(bytes_max_) : 0;
  if (used < kHoldShare) {
    holds_since_ = absl::InfiniteDuration();
    return Pressure::kNone;
  }
  holds_since_ = std::min(holds_since_, now);
  return used >= kShedShare || now - holds_since_ >= kHoldMax ? Pressure::kShed : Pressure::kHold;
}

int64_t BufferBudget::ToShed(int64_t buffered, int64_t own) const {
  if (buffered <= 0) return 0;
  const double excess = static_cast<double>(buffered) - static_cast<double>(bytes_max_) * kGoalShare;
  return static_cast<int64_t>(std::max(0.0, excess * static_cast<double>(own) / static_cast<double>(buffered)));
}

std::vector<uint32_t> ChooseToShed(std::vector<ShedCandidate>& candidates, int64_t bytes) {
  std::sort(candidates.begin(), candidates.end(), [](const ShedCandidate& a, const ShedCandidate& b) {
    return a.is_connected != b.is_connected ? b.is_connected : a.bytes > b.bytes;
  });
  std::vector<uint32_t> slots;
  for (const ShedCandidate& candidate : candidates) {
    if (bytes <= 0) break;
    bytes -= candidate.bytes;
    slots.push_back(candidate.slot);
  }
  return slots;
}

}  // namespace fleetcast::mqtt_edge
