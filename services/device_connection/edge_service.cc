#include "services/device_connection/edge_service.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/reasons.h"
#include "libs/rpc/run_on.h"

namespace fleetcast::device_connection {
namespace {

namespace internal_pb = ::fleetcast::internal::v1;
namespace sessions_pb = ::fleetcast::sessions::v1;

sessions_pb::Edge::State ToState(internal_pb::EdgeStatus::State state) {
  switch (state) {
    case internal_pb::EdgeStatus::STATE_SERVING: return sessions_pb::Edge::STATE_SERVING;
    case internal_pb::EdgeStatus::STATE_DRAINING: return sessions_pb::Edge::STATE_DRAINING;
    case internal_pb::EdgeStatus::STATE_DRAINED: return sessions_pb::Edge::STATE_DRAINED;
    default: return sessions_pb::Edge::STATE_UNSPECIFIED;
  }
}

sessions_pb::Edge ToProto(const Edges::Described& described) {
  sessions_pb::Edge edge;
  edge.set_id(described.edge->name->edge_id);
  edge.set_state(ToState(described.status.state()));
  edge.set_sessions(described.status.sessions());
  edge.set_connections(described.status.connections());
  return edge;
}

absl::Status BadValue(std::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue, why);
}

// The order that the edge gets.
absl::StatusOr<internal_pb::DrainEdge> ReadOrder(const sessions_pb::DrainEdgeRequest& request) {
  internal_pb::DrainEdge order;
  if (request.has_close_over() && request.closes_per_second() != 0) {
    return BadValue("close_over and closes_per_second cannot be told together");
  }
  if (request.has_close_over()) {
    const absl::Duration over =
        absl::Seconds(request.close_over().seconds()) + absl::Nanoseconds(request.close_over().nanos());
    if (over < absl::ZeroDuration() || over > EdgeService::kCloseOverMax) {
      return BadValue("close_over must be from 0 to 24 h");
    }
    order.set_close_over_millis(absl::ToInt64Milliseconds(over));
  }
  const double rate = request.closes_per_second();
  const bool is_in_bounds = rate >= EdgeService::kClosesPerSecondMin && rate <= EdgeService::kClosesPerSecondMax;
  if (rate != 0 && !is_in_bounds) return BadValue("closes_per_second must be from 0.01 to 1,000,000");  // NaN, too.
  order.set_closes_per_second(rate);
  return order;
}

}  // namespace

absl::StatusOr<Edges::Described> EdgeService::Find(const std::string& edge_id) const {
  std::optional<Edges::Described> found = edges_.Describe(edge_id);
  if (found.has_value()) return *std::move(found);
  return MakeError(absl::StatusCode::kNotFound, reasons::kEdgeNotFound, "no edge of this id is attached",
                   {{"edge", edge_id}});
}

grpc::ServerUnaryReactor* EdgeService::ListEdges(grpc::CallbackServerContext* context,
                                                 const sessions_pb::ListEdgesRequest*,
                                                 sessions_pb::ListEdgesResponse* response) {
  return rpc::RunNow(context, [this, response](const rpc::Call&) -> absl::Status {
    for (const Edges::Described& described : edges_.DescribeAll()) *response->add_edges() = ToProto(described);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EdgeService::GetEdge(grpc::CallbackServerContext* context,
                                               const sessions_pb::GetEdgeRequest* request,
                                               sessions_pb::GetEdgeResponse* response) {
  return rpc::RunNow(context, [this, request, response](const rpc::Call&) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const Edges::Described found, Find(request->edge_id()));
    *response->mutable_edge() = ToProto(found);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EdgeService::DrainEdge(grpc::CallbackServerContext* context,
                                                 const sessions_pb::DrainEdgeRequest* request,
                                                 sessions_pb::DrainEdgeResponse* response) {
  return rpc::RunNow(context, [this, request, response](const rpc::Call&) { return Drain(*request, *response); });
}

absl::Status EdgeService::Drain(const sessions_pb::DrainEdgeRequest& request,
                                sessions_pb::DrainEdgeResponse& response) const {
  FLEETCAST_ASSIGN_OR_RETURN(internal_pb::DrainEdge order, ReadOrder(request));
  FLEETCAST_ASSIGN_OR_RETURN(const Edges::Described found, Find(request.edge_id()));
  *response.mutable_edge() = ToProto(found);
  internal_pb::AttachResponse message;
  *message.mutable_drain() = std::move(order);
  if (!found.edge->Send(std::move(message))) return absl::UnavailableError("the edge does not keep up, try again");
  return absl::OkStatus();
}

}  // namespace fleetcast::device_connection
