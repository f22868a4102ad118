#include "services/device_connection/hub.h"

#include <utility>
#include <vector>

#include "libs/auth/policies.h"
#include "libs/auth/sas_check.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/base/worker_pool.h"
#include "libs/model/page_token.h"
#include "libs/redis/client.h"
#include "libs/rpc/channel.h"
#include "services/device_connection/deliveries.h"
#include "services/device_connection/device_feed.h"
#include "services/device_connection/directory_keeper.h"
#include "services/device_connection/edge_link.h"
#include "services/device_connection/edge_service.h"
#include "services/device_connection/hub_metrics.h"
#include "services/device_connection/presence_reporter.h"
#include "services/device_connection/record_checks.h"
#include "services/device_connection/session_changes.h"
#include "services/device_connection/session_opener.h"
#include "services/device_connection/session_service.h"
#include "services/device_connection/stream_services.h"
#include "services/device_connection/twin_operations.h"

namespace fleetcast::device_connection {
namespace {

// sessions.v1 is for people and dashboards: a few threads, a short queue.
constexpr int kWorkers = 4;
constexpr size_t kWorkerQueueMax = 100;
constexpr size_t kPageTokenKeyBytes = 32;

}  // namespace

// In the order in which they use each other, so that each stops before what it uses.
struct Hub::Parts {
  Parts(const Config& config, Clock& clock, telemetry::Metrics& metrics, auth::PolicySet policies,
        std::unique_ptr<redis::Client> redis_client, const std::shared_ptr<grpc::ChannelInterface>& twin_channel)
      : hub_metrics(metrics),
        policies(std::move(policies)),
        hosts(config.host_names),
        redis(std::move(redis_client)),
        directory(*redis, config.edge_lease),
        records({.records_max = static_cast<size_t>(config.record_cache_max), .ttl = config.record_cache_ttl}),
        twin(twin_channel, records, clock),
        presence(twin, clock),
        deliveries({directory, sessions, edges, twin, clock, hub_metrics},
                   {.calls_max = static_cast<size_t>(config.calls_max)}),
        keeper({directory, sessions, edges, twin, presence, deliveries, clock, hub_metrics},
               {.lease = config.edge_lease}),
        checks({directory, sessions, edges, twin, clock, hub_metrics, config.keep_sessions_on_key_change}),
        changes({directory, keeper, sessions, edges, twin, presence, deliveries, checks, clock, hub_metrics}),
        opener({directory,
                keeper,
                sessions,
                edges,
                twin,
                records,
                presence,
                deliveries,
                checks,
                {this->policies, hosts, config.certificate_dates == "check"},
                {.connects_per_minute = config.connects_per_minute,
                 .connects_burst = config.connects_burst,
                 .refusals_per_minute = config.refusals_per_minute,
                 .seed = SystemRandom().Next()},
                clock,
                hub_metrics}),
        twin_operations(twin, clock, hub_metrics),
        feed({records, sessions, edges, changes, checks, hub_metrics}),
        tokens(config.page_token_key.empty() ? RandomBytes(kPageTokenKeyBytes) : config.page_token_key),
        workers(kWorkers, kWorkerQueueMax),
        edge_link_service({edges, sessions, opener, changes, twin_operations, deliveries, presence, clock, RandomId()}),
        delivery_service(deliveries),
        device_feed_service(feed),
        session_service({directory, sessions, edges, tokens, workers}),
        edge_service(edges) {
    Gauge(metrics, "fleetcast_sessions", "Live sessions opened or announced here", [this] { return sessions.size(); });
    Gauge(metrics, "fleetcast_edges", "Edges attached here", [this] { return edges.attached_count(); });
    Gauge(metrics, "fleetcast_delivery_calls", "Calls on their way", [this] { return deliveries.pending_count(); });
    Gauge(metrics, "fleetcast_watched_devices", "Devices that a dispatcher waits for",
          [this] { return deliveries.watch_count(); });
  }

  template <typename Read>
  void Gauge(telemetry::Metrics& metrics, const char* name, const char* help, Read read) {
    gauges.push_back(metrics.ReadGauge(name, help, [read] { return static_cast<double>(read()); }));
  }

  HubMetrics hub_metrics;
  auth::PolicySet policies;
  auth::HostNames hosts;
  std::unique_ptr<redis::Client> redis;
  SessionDirectory directory;
  SessionTable sessions;
  Edges edges;
  RecordCache records;
  TwinClient twin;
  PresenceReporter presence;
  Deliveries deliveries;
  DirectoryKeeper keeper;
  RecordChecks checks;
  SessionChanges changes;
  SessionOpener opener;
  TwinOperations twin_operations;
  DeviceFeed feed;
  PageTokens tokens;
  WorkerPool workers;
  EdgeLinkService edge_link_service;
  DeliveryService delivery_service;
  DeviceFeedService device_feed_service;
  SessionService session_service;
  EdgeService edge_service;
  std::vector<telemetry::GaugeReader> gauges;  // Last: they read the above.
};

absl::StatusOr<std::unique_ptr<Hub>> Hub::Create(const Config& config, Clock& clock, telemetry::Metrics& metrics) {
  FLEETCAST_ASSIGN_OR_RETURN(auth::PolicySet policies, auth::PolicySet::FromJson(config.policies));
  FLEETCAST_ASSIGN_OR_RETURN(
      std::unique_ptr<redis::Client> redis,
      redis::Client::Create(
          {.address = config.redis, .password = config.redis_password, .connections = config.redis_connections},
          clock));
  FLEETCAST_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelInterface> twin,
                             rpc::MakeChannel(config.twin_addresses));
  return std::unique_ptr<Hub>(
      new Hub(std::make_unique<Parts>(config, clock, metrics, std::move(policies), std::move(redis), twin)));
}

Hub::Hub(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Hub::~Hub() = default;

grpc::Service& Hub::edge_link_service() { return parts_->edge_link_service; }
grpc::Service& Hub::delivery_service() { return parts_->delivery_service; }
grpc::Service& Hub::device_feed_service() { return parts_->device_feed_service; }
grpc::Service& Hub::session_service() { return parts_->session_service; }
grpc::Service& Hub::edge_service() { return parts_->edge_service; }

void Hub::Drain() {
  parts_->edges.AbortAll();
  parts_->deliveries.AbortAll();
}

}  // namespace fleetcast::device_connection
