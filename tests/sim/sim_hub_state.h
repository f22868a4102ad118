// What one life of a SimHub holds; for its two source files.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "services/device_connection/lease_gaps.h"
#include "services/device_connection/untold_edges.h"
#include "tests/sim/sim_dispatcher.h"
#include "tests/sim/sim_edge.h"
#include "tests/sim/sim_hub.h"

namespace fleetcast::sim {

// The real table of edges wants an outlet; here it is the way to the simulated edge.
class SimHub::Outlet final : public device_connection::EdgeOutlet {
 public:
  Outlet(SimEdge& edge, std::shared_ptr<Stream> stream) : edge_(edge), stream_(std::move(stream)) {}

  bool TrySend(internal::v1::AttachResponse) override { return false; }  // Nothing here speaks protobuf to edges.
  void Abort() override { stream_->Close(Side::kServer); }
  bool Send(HubFrame frame) {
    return stream_->Send(Side::kServer, [edge = &edge_, stream = stream_.get(), frame = std::move(frame)] {
      edge->OnFrame(stream, frame);
    });
  }

 private:
  SimEdge& edge_;
  const std::shared_ptr<Stream> stream_;
};

struct SimHub::State {
  static constexpr absl::Duration kEdgeLease = absl::Seconds(10);

  State(SimHub& hub, redis::Runner& redis)
      : directory(redis, kEdgeLease),
        table({}),
        openers{Worker(hub), Worker(hub)},
        announcer(hub),
        subscriber(hub),
        closer(hub),
        deliverers{Worker(hub), Worker(hub)} {}

  struct DispatcherSide {
    SimDispatcher* dispatcher = nullptr;
    std::shared_ptr<Stream> stream;
  };
  struct EdgeSide {
    EdgeRef edge;
    std::shared_ptr<Stream> stream;
  };

  std::vector<EdgeSide>::iterator Find(const Stream* stream) {
    return std::find_if(edge_streams.begin(), edge_streams.end(),
                        [&](const EdgeSide& side) { return side.stream.get() == stream; });
  }

  device_connection::SessionDirectory directory;
  device_connection::SessionTable sessions;
  device_connection::Edges edges;
  device_connection::DeliveryTable table;
  device_connection::WatchList watches;
  std::map<device_connection::DispatcherStream, DispatcherSide> dispatchers;
  device_connection::DispatcherStream last_stream = 0;
  // In the order in which they were accepted: one by address would differ from process to process.
  std::vector<EdgeSide> edge_streams;
  device_connection::LeaseGaps leases{kEdgeLease};
  device_connection::UntoldEdges untold{kEdgeLease};
  int64_t generation = 0;
  int64_t reviews = 0;
  absl::Duration review_at;
  int64_t rounds = 0;
  bool announce_soon = false;
  std::vector<device_connection::SessionDirectory::Ending> unclosed;
  std::vector<device_connection::NewSession> doubtful;
  absl::Duration settled_at;
  std::vector<std::pair<device_connection::EdgeName, EdgeRef>> asked;
  absl::Duration swept;
  absl::Duration sweep_at;
  Worker openers[2];
  Worker announcer, subscriber, closer;
  Worker deliverers[2];
};

}  // namespace fleetcast::sim
