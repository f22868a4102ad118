// internal.v1.TwinWriteService: twin writes of jobs.
#pragma once

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "fleetcast/internal/v1/twin_write.grpc.pb.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/server_stream.h"
#include "services/twin/slice_queue.h"
#include "services/twin/store/slice_store.h"
#include "services/twin/store/twin_writer.h"

namespace fleetcast::twin {

// Slices are written on `slice_workers`, those of one change together while many wait; when too many wait a slice is
// answered NOT_APPLIED. So is one whose permit has expired, or lasts longer than any permit may: the clock of its
// scheduler is wrong. `on_change` is called, on any thread, after changes that the feed should publish. Thread-safe.
class TwinWriteService final : public internal::v1::TwinWriteService::CallbackService {
 public:
  // `slice_workers` has `threads` threads, a queue of `queue_limit`, and no other work.
  TwinWriteService(SliceStore& slices, WorkerPool& slice_workers, int threads, size_t queue_limit,
                   std::function<void()> on_change)
      : slices_(slices),
        slice_workers_(slice_workers),
        queue_({.takers = threads, .slices_max = queue_limit, .devices_max = kTwinsPerTransactionMax}),
        on_change_(std::move(on_change)) {}

  grpc::ServerBidiReactor<internal::v1::WriteSlicesRequest, internal::v1::WriteSlicesResponse>* WriteSlices(
      grpc::CallbackServerContext* context) override;

 private:
  void Queue(SliceWork work);
  void WriteNext();
  // Nothing of `group` is committed after `permit`, nor after any permit of its own.
  void WriteAll(std::span<const SliceWork> group, absl::Time permit);
  // One result per slice.
  std::vector<internal::v1::TwinSliceResult> Write(std::span<const SliceWork> group, absl::Time permit);

  SliceStore& slices_;
  WorkerPool& slice_workers_;
  SliceQueue queue_;
  const std::function<void()> on_change_;
};

}  // namespace fleetcast::twin
