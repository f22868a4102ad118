#include "services/twin/slice_queue.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace fleetcast::twin {
namespace {

using internal::v1::TwinSlice;

bool AreOfOneChange(const TwinSlice& a, const TwinSlice& b) {
  return a.job_seq() == b.job_seq() && a.tags_patch() == b.tags_patch() && a.desired_patch() == b.desired_patch() &&
         a.if_match() == b.if_match();
}

}  // namespace

bool SliceQueue::TryAdd(SliceWork work) {
  MutexLock lock(mutex_);
  if (waiting_.size() >= options_.slices_max) return false;
  waiting_.push_back(std::move(work));
  return true;
}

std::vector<SliceWork> SliceQueue::Take() {
  std::vector<SliceWork> group;
  {
    MutexLock lock(mutex_);
    const auto takers = static_cast<size_t>(options_.takers);
    const size_t share = (waiting_.size() + takers - 1) / takers;
    size_t devices = 0;
    for (auto next = waiting_.begin(); next != waiting_.end() && group.size() < share;) {
      const auto size = static_cast<size_t>(next->slice.device_ids_size());
      const bool fits =
          group.empty() || (devices + size <= options_.devices_max && AreOfOneChange(group.front().slice, next->slice));
      if (!fits) {
        ++next;
        continue;
      }
      devices += size;
      group.push_back(std::move(*next));
      next = waiting_.erase(next);
    }
  }
  std::sort(group.begin(), group.end(), [](const SliceWork& a, const SliceWork& b) {
    return std::tuple(a.slice.chunk(), a.slice.slice()) < std::tuple(b.slice.chunk(), b.slice.slice());
  });
  return group;
}

}  // namespace fleetcast::twin
