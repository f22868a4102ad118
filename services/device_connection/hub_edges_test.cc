// Edges as operators see them: which there are, and emptying one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "libs/testing/wait_for.h"
#include "services/device_connection/testing/hub_fixture.h"

namespace fleetcast::device_connection {
namespace {

using fleetcast::testing::WaitFor;
using testing::PlayedEdge;
namespace pb = ::fleetcast::internal::v1;
namespace public_pb = ::fleetcast::sessions::v1;

pb::EdgeStatus Status(pb::EdgeStatus::State state, int64_t sessions) {
  pb::EdgeStatus status;
  status.set_state(state);
  status.set_sessions(sessions);
  status.set_connections(sessions + 1);
  return status;
}

class HubEdgesTest : public testing::HubFixture {
 protected:
  grpc::StatusCode Get(const std::string& edge_id, public_pb::Edge* edge) {
    grpc::ClientContext call;
    public_pb::GetEdgeRequest request;
    request.set_edge_id(edge_id);
    public_pb::GetEdgeResponse response;
    const grpc::Status status = operator_->GetEdge(&call, request, &response);
    *edge = response.edge();
    return status.error_code();
  }
  bool AwaitState(const std::string& edge_id, public_pb::Edge::State state) {
    public_pb::Edge edge;
    return WaitFor([&] { return Get(edge_id, &edge) == grpc::StatusCode::OK && edge.state() == state; });
  }
  grpc::StatusCode Drain(const public_pb::DrainEdgeRequest& request) {
    grpc::ClientContext call;
    public_pb::DrainEdgeResponse response;
    return operator_->DrainEdge(&call, request, &response).error_code();
  }
  static std::optional<pb::DrainEdge> AwaitOrder(PlayedEdge& edge) {
    return edge.stream().Await<pb::DrainEdge>([](const pb::AttachResponse& response) -> std::optional<pb::DrainEdge> {
      if (!response.has_drain()) return std::nullopt;
      return response.drain();
    });
  }
};

TEST_F(HubEdgesTest, ListsEdgesWithWhatTheySayOfThemselves) {
  const auto second = NewEdge("edge-1");
  const auto first = NewEdge("edge-0");
  second->Tell(Status(pb::EdgeStatus::STATE_SERVING, 12));
  first->Tell(Status(pb::EdgeStatus::STATE_DRAINING, 3));
  ASSERT_TRUE(AwaitState("edge-0", public_pb::Edge::STATE_DRAINING));
  ASSERT_TRUE(AwaitState("edge-1", public_pb::Edge::STATE_SERVING));
  grpc::ClientContext call;
  public_pb::ListEdgesResponse response;
  ASSERT_TRUE(operator_->ListEdges(&call, {}, &response).ok());
  ASSERT_EQ(response.edges_size(), 2);
  EXPECT_EQ(response.edges(0).id(), "edge-0");
  EXPECT_EQ(response.edges(0).sessions(), 3);
  EXPECT_EQ(response.edges(1).id(), "edge-1");
  EXPECT_EQ(response.edges(1).sessions(), 12);
  EXPECT_EQ(response.edges(1).connections(), 13);
}

TEST_F(HubEdgesTest, AnEdgeThatWasStartedAnewHasSaidNothingYet) {
  const auto old = NewEdge("edge-0", 'a');
  old->Tell(Status(pb::EdgeStatus::STATE_DRAINED, 0));
  ASSERT_TRUE(AwaitState("edge-0", public_pb::Edge::STATE_DRAINED));
  const auto fresh = NewEdge("edge-0", 'b');
  EXPECT_TRUE(AwaitState("edge-0", public_pb::Edge::STATE_UNSPECIFIED));
}

TEST_F(HubEdgesTest, TheOrderReachesItsEdgeWithItsPace) {
  const auto edge = NewEdge("edge-0");
  ASSERT_TRUE(AwaitState("edge-0", public_pb::Edge::STATE_UNSPECIFIED));
  public_pb::DrainEdgeRequest request;
  request.set_edge_id("edge-0");
  request.mutable_close_over()->set_seconds(90);
  ASSERT_EQ(Drain(request), grpc::StatusCode::OK);
  const auto order = AwaitOrder(*edge);
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(order->close_over_millis(), 90'000);
  EXPECT_EQ(order->closes_per_second(), 0);
}

TEST_F(HubEdgesTest, AnOrderWithoutAPaceLeavesItToTheEdge) {
  const auto edge = NewEdge("edge-0");
  ASSERT_TRUE(AwaitState("edge-0", public_pb::Edge::STATE_UNSPECIFIED));
  public_pb::DrainEdgeRequest request;
  request.set_edge_id("edge-0");
  ASSERT_EQ(Drain(request), grpc::StatusCode::OK);
  const auto order = AwaitOrder(*edge);
  ASSERT_TRUE(order.has_value());
  EXPECT_FALSE(order->has_close_over_millis());
}

TEST_F(HubEdgesTest, WhatCannotBeMeantIsRefused) {
  const auto edge = NewEdge("edge-0");
  ASSERT_TRUE(AwaitState("edge-0", public_pb::Edge::STATE_UNSPECIFIED));
  public_pb::DrainEdgeRequest request;
  request.set_edge_id("edge-7");
  EXPECT_EQ(Drain(request), grpc::StatusCode::NOT_FOUND);
  public_pb::Edge none;
  EXPECT_EQ(Get("edge-7", &none), grpc::StatusCode::NOT_FOUND);
  request.set_edge_id("edge-0");
  for (const double rate : {-1.0, 0.001, 1e9, std::nan("")}) {
    request.set_closes_per_second(rate);
    EXPECT_EQ(Drain(request), grpc::StatusCode::INVALID_ARGUMENT) << rate;
  }
  request.set_closes_per_second(100);
  request.mutable_close_over()->set_seconds(1);
  EXPECT_EQ(Drain(request), grpc::StatusCode::INVALID_ARGUMENT);
  request.clear_closes_per_second();
  for (const int64_t seconds : {int64_t{-1}, int64_t{86'401}, INT64_MAX}) {
    request.mutable_close_over()->set_seconds(seconds);
    EXPECT_EQ(Drain(request), grpc::StatusCode::INVALID_ARGUMENT) << seconds;
  }
}

}  // namespace
}  // namespace fleetcast::device_connection
