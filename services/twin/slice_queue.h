// Slices that wait to be written, handed out in groups that one transaction takes.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "fleetcast/internal/v1/twin_write.pb.h"
#include "libs/base/mutex.h"

namespace fleetcast::twin {

// One slice and where its result goes.
struct SliceWork {
  internal::v1::TwinSlice slice;
  std::function<void(internal::v1::TwinSliceResult result)> answer;
};

struct SliceQueueOptions {
  int takers = 1;          // Threads that take.
  size_t slices_max = 1;   // Most slices that wait.
  size_t devices_max = 1;  // Most devices of a group; a slice of more is a group of its own.
};

// Thread-safe.
class SliceQueue {
 public:
  explicit SliceQueue(const SliceQueueOptions& options) : options_(options) {}

  // False, and no effect, when the queue is full.
  bool TryAdd(SliceWork work);

  // The oldest slice together with waiting ones of the same job and change, in order of their keys: no more devices
  // than a group may have, and no more than this taker's share of what waits, so that few slices are written side by
  // side and many in few transactions. Empty when others have taken everything.
  std::vector<SliceWork> Take();

 private:
  const SliceQueueOptions options_;
  Mutex mutex_;
  std::deque<SliceWork> waiting_ GUARDED_BY(mutex_);
};

}  // namespace fleetcast::twin
