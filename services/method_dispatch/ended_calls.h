// The calls that ended last in this process, by id.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "services/method_dispatch/call_ids.h"

namespace fleetcast::method_dispatch {

// Holds at most `max` (> 0) ids; a new one pushes out the oldest. Not thread-safe.
class EndedCalls {
 public:
  explicit EndedCalls(size_t max) : max_(max) {}

  void Add(CallId id) {
    if (!ids_.insert(id).second) return;
    if (order_.size() < max_) {
      order_.push_back(id);
      return;
    }
    ids_.erase(order_[oldest_]);
    order_[oldest_] = id;
    oldest_ = (oldest_ + 1) % max_;
  }
  bool Contains(CallId id) const { return ids_.contains(id); }

 private:
  const size_t max_;
  std::vector<CallId> order_;  // A ring once it is full.
  size_t oldest_ = 0;
  absl::flat_hash_set<CallId> ids_;
};

}  // namespace fleetcast::method_dispatch
