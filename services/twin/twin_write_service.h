// internal.v1.TwinWriteService: twin writes of jobs.
#pragma once

#include <functional>

#include "fleetcast/internal/v1/twin_write.grpc.pb.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/server_stream.h"
#include "services/twin/store/slice_store.h"

namespace fleetcast::twin {

// Each slice is one piece of work on `slice_workers`; when their queue is full the slice is answered NOT_APPLIED.
// `on_change` is called, on any thread, after changes that the feed should publish. Thread-safe.
class TwinWriteService final : public internal::v1::TwinWriteService::CallbackService {
 public:
  TwinWriteService(SliceStore& slices, WorkerPool& slice_workers, std::function<void()> on_change)
      : slices_(slices), slice_workers_(slice_workers), on_change_(std::move(on_change)) {}

  grpc::ServerBidiReactor<internal::v1::WriteSlicesRequest, internal::v1::WriteSlicesResponse>* WriteSlices(
      grpc::CallbackServerContext* context) override;

 private:
  internal::v1::TwinSliceResult Write(const internal::v1::TwinSlice& slice);

  SliceStore& slices_;
  WorkerPool& slice_workers_;
  const std::function<void()> on_change_;
};

}  // namespace fleetcast::twin
