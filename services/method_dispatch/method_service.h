// methods.v1.MethodService: one call, one device, one deadline.
#pragma once

#include "fleetcast/methods/v1/method.grpc.pb.h"
#include "libs/telemetry/trace.h"
#include "services/method_dispatch/dispatcher.h"

namespace fleetcast::method_dispatch {

// Bounds of a direct call (service-rest.md 10).
inline constexpr size_t kPayloadBytesMax = size_t{128} * 1024;
inline constexpr absl::Duration kResponseTimeoutDefault = absl::Seconds(30);
inline constexpr absl::Duration kResponseTimeoutMin = absl::Seconds(5);
inline constexpr absl::Duration kResponseTimeoutMax = absl::Seconds(300);

// The call that `request` describes, made in `trace`, or INVALID_ARGUMENT with every wrong field. Pure.
absl::StatusOr<DirectCall> ReadDirectCall(const methods::v1::InvokeMethodRequest& request,
                                          const telemetry::TraceContext& trace);

// The response to the device's answer, or INTERNAL (BAD_DEVICE_RESPONSE) when its payload is not JSON. Pure.
absl::Status ReadAnswer(const internal::v1::Answer& answer, methods::v1::InvokeMethodResponse& response);

// No thread waits for a device. Thread-safe; `dispatcher` must outlive it.
class MethodService final : public methods::v1::MethodService::CallbackService {
 public:
  explicit MethodService(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  grpc::ServerUnaryReactor* InvokeMethod(grpc::CallbackServerContext* context,
                                         const methods::v1::InvokeMethodRequest* request,
                                         methods::v1::InvokeMethodResponse* response) override;

 private:
  Dispatcher& dispatcher_;
};

}  // namespace fleetcast::method_dispatch
