// sessions.v1: the edges, for operators.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fleetcast/sessions/v1/edge.grpc.pb.h"
#include "services/device_connection/edges.h"

namespace fleetcast::device_connection {

// Answers from memory, so nothing waits.
class EdgeService final : public sessions::v1::EdgeService::CallbackService {
 public:
  static constexpr double kClosesPerSecondMin = 0.01;
  static constexpr double kClosesPerSecondMax = 1'000'000;
  static constexpr absl::Duration kCloseOverMax = absl::Hours(24);

  // `edges` outlives the service.
  explicit EdgeService(const Edges& edges) : edges_(edges) {}

  grpc::ServerUnaryReactor* ListEdges(grpc::CallbackServerContext* context,
                                      const sessions::v1::ListEdgesRequest* request,
                                      sessions::v1::ListEdgesResponse* response) override;
  grpc::ServerUnaryReactor* GetEdge(grpc::CallbackServerContext* context, const sessions::v1::GetEdgeRequest* request,
                                    sessions::v1::GetEdgeResponse* response) override;
  grpc::ServerUnaryReactor* DrainEdge(grpc::CallbackServerContext* context,
                                      const sessions::v1::DrainEdgeRequest* request,
                                      sessions::v1::DrainEdgeResponse* response) override;

 private:
  absl::StatusOr<Edges::Described> Find(const std::string& edge_id) const;
  absl::Status Drain(const sessions::v1::DrainEdgeRequest& request, sessions::v1::DrainEdgeResponse& response) const;

  const Edges& edges_;
};

}  // namespace fleetcast::device_connection
