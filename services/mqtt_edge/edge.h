// The edge as a whole: listeners, loops, links to device_connection, and its orderly end.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "services/mqtt_edge/config.h"
#include "services/mqtt_edge/edge_metrics.h"
#include "services/mqtt_edge/link/hub_link.h"
#include "services/mqtt_edge/loop/event_loop.h"
#include "services/mqtt_edge/sink/telemetry_sink.h"
#include "services/mqtt_edge/transport/tls_store.h"

namespace fleetcast::internal::v1 {
class DrainEdge;
}  // namespace fleetcast::internal::v1

namespace fleetcast::mqtt_edge {

// What the edge has to do with the process around it.
struct EdgeHooks {
  // Says whether health checks may send devices here: true when a link to device_connection stands (again), false when
  // the edge begins to empty, and from then on. On any thread; must not block.
  std::function<void(bool is_ready)> set_ready = [](bool) {};
  // How long to take new connections while health checks say no, when an operator wants the edge empty.
  absl::Duration drain_delay = absl::ZeroDuration();
};

// One per process. Create, Start, Drain, Stop belong to one thread.
class Edge final : private HubLinkObserver {
 public:
  // Loads certificates and binds the listeners; serves from Start on. INVALID_ARGUMENT for bad certificates,
  // UNAVAILABLE when an address cannot be bound.
  static absl::StatusOr<std::unique_ptr<Edge>> Create(const Config& config, telemetry::Metrics& metrics, Clock& clock,
                                                      Random& random, EdgeHooks hooks);
  ~Edge() override;

  void Start();
  // Stops accepting and closes all connections at an even pace, in random order: each when nothing is under way on it,
  // or its time for that is over (--call-drain). Returns when all are closed; soon when `hurry` is requested, which
  // closes what is left at once.
  void Drain(const std::stop_token& hurry);
  void Stop();
  // Reads certificates and ticket keys again. From any thread.
  void ReloadTls();

  // The ports that were bound; 0 = not served.
  int port(ListenerKind kind) const { return ports_[IndexOf(kind)]; }
  int tls_port() const { return port(ListenerKind::kTls); }
  int plain_port() const { return port(ListenerKind::kPlain); }
  int64_t open_connections() const { return totals_.connections; }

 private:
  Edge(const Config& config, telemetry::Metrics& metrics, Clock& clock, EdgeHooks hooks);

  absl::Status CreateLinks(telemetry::Metrics& metrics);
  absl::Status CreateTelemetrySink();
  absl::Status CreateLoops(Random& random);

  // The pace of one loop when nobody asked for another.
  DrainPace OwnPace() const;
  void BeginDrain(const DrainOrder& order);
  void OnDrainOrder(const pb::DrainEdge& order);
  // Waits until nothing is connected, until `limit`, monotonic, or until `hurry` is requested.
  void AwaitEmpty(absl::Duration limit, const std::stop_token& hurry) const;

  void WatchTlsFiles(const std::stop_token& stop);

  void OnLinkAttached(LinkIndex link, uint64_t generation) override;
  void OnLinkLost(LinkIndex link) override;
  bool OnFrame(LinkIndex link, std::shared_ptr<const pb::AttachResponse> frame) override;

  const Config config_;
  Clock& clock_;
  const EdgeHooks hooks_;
  const EdgeIdentity identity_;
  const EdgeMetrics metrics_;
  LoopOptions loop_options_;
  std::unique_ptr<ClientAuthorities> client_authorities_;
  std::unique_ptr<TlsStore> tls_;  // Null without a TLS listener.
  PerListener<int> ports_{};
  LoopTotals totals_;
  std::atomic<bool> is_serving_ = false;           // Frames reach the loops.
  std::atomic<bool> is_draining_ = false;          // From the first order on.
  std::unique_ptr<TelemetrySink> telemetry_sink_;  // Null without one.
  std::vector<std::unique_ptr<HubLink>> links_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::jthread tls_watcher_;  // Last: uses tls_.
};

}  // namespace fleetcast::mqtt_edge
