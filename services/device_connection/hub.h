// All parts of this process, put together.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/telemetry/metrics.h"
#include "services/device_connection/config.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace fleetcast::device_connection {

// Owns the parts; starts working when made and stops when destroyed. The services must not be called after that, so
// shut their server down first. Does not wait for Redis or twin: while they are away its answers are UNAVAILABLE.
class Hub {
 public:
  // `clock` and `metrics` outlive the hub.
  static absl::StatusOr<std::unique_ptr<Hub>> Create(const Config& config, Clock& clock, telemetry::Metrics& metrics);
  ~Hub();

  grpc::Service& edge_link_service();
  grpc::Service& delivery_service();
  grpc::Service& device_feed_service();
  grpc::Service& session_service();
  grpc::Service& edge_service();

  // Ends the streams of edges and dispatchers, which turn to other replicas or come again.
  void Drain();

 private:
  struct Parts;
  explicit Hub(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

}  // namespace fleetcast::device_connection
