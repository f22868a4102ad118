// internal.v1.MethodDispatchService: method calls of jobs, one stream per scheduler.
#pragma once

#include "fleetcast/internal/v1/method_dispatch.grpc.pb.h"
#include "services/method_dispatch/dispatcher.h"

namespace fleetcast::method_dispatch {

// Thread-safe; `dispatcher` must outlive it.
class DispatchService final : public internal::v1::MethodDispatchService::CallbackService {
 public:
  explicit DispatchService(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  grpc::ServerBidiReactor<internal::v1::DispatchRequest, internal::v1::DispatchResponse>* Dispatch(
      grpc::CallbackServerContext* context) override;

 private:
  Dispatcher& dispatcher_;
};

}  // namespace fleetcast::method_dispatch
