#include "services/twin/feed_batch.h"

#include <utility>

#include "services/twin/twin_edit.h"

namespace fleetcast::twin {
namespace {

using internal::v1::DeviceChangeEvent;
using internal::v1::PublishRequest;

class Batches {
 public:
  void Add(DeviceChangeEvent event) {
    const size_t bytes = event.ByteSizeLong();
    const bool is_full =
        !batches_.empty() && (batches_.back().changes_size() == kEventsPerBatchMax || bytes_ + bytes > kBatchBytesMax);
    if (batches_.empty() || is_full) {
      batches_.emplace_back();
      bytes_ = 0;
    }
    bytes_ += bytes;
    *batches_.back().add_changes() = std::move(event);
  }

  std::vector<PublishRequest> Take() { return std::move(batches_); }

 private:
  std::vector<PublishRequest> batches_;
  size_t bytes_ = 0;  // Of the last batch.
};

}  // namespace

std::vector<PublishRequest> FeedBatches(const std::vector<FeedRow>& rows) {
  Batches batches;
  for (const FeedRow& row : rows) {
    for (size_t i = 0; i < row.device_ids.size(); ++i) {
      DeviceChangeEvent event;
      event.set_device_id(row.device_ids[i]);
      if (row.desired_versions.empty()) {
        event.mutable_record()->set_disconnect(row.is_disconnect);
      } else {
        event.mutable_desired()->set_version(row.desired_versions[i]);
        event.mutable_desired()->set_patch(WithVersion(row.patch, row.desired_versions[i]));
      }
      batches.Add(std::move(event));
    }
  }
  return batches.Take();
}

}  // namespace fleetcast::twin
