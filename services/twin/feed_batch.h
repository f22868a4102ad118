// Rows of the outbox as messages of bounded size. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "fleetcast/internal/v1/device_feed.pb.h"
#include "services/twin/store/feed_store.h"

namespace fleetcast::twin {

inline constexpr int kEventsPerBatchMax = 1000;
inline constexpr size_t kBatchBytesMax = size_t{1} << 20;

// The events of `rows`, in their order, cut into messages of at most kEventsPerBatchMax events and about kBatchBytesMax
// bytes (an event alone may be larger). Batch numbers are not set.
std::vector<internal::v1::PublishRequest> FeedBatches(const std::vector<FeedRow>& rows);

}  // namespace fleetcast::twin
