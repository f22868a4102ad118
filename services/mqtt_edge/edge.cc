#include "services/mqtt_edge/edge.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/base/status_macros.h"
#include "libs/redis/client.h"
#include "libs/telemetry/log.h"
#include "services/mqtt_edge/connection/session_id.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr double kClosesPerSecondMin = 200;  // No storm for anybody; a small edge is empty soon.
constexpr absl::Duration kDrainCheck = absl::Milliseconds(20);
constexpr absl::Duration kDrainMargin = absl::Seconds(5);
constexpr absl::Duration kHurryLimit = absl::Seconds(5);  // For closing all that is left at once.
constexpr absl::Duration kLinkShutdown = absl::Seconds(2);
constexpr absl::Duration kTelemetryShutdown = absl::Seconds(2);

// A loop's share of what the process may. Each takes at least one at once.
Rate PerLoop(const Rate& rate, int loops) { return {rate.rate / loops, std::max(1.0, rate.burst / loops)}; }

LoopOptions MakeLoopOptions(const Config& config, int loops) {
  LoopOptions options;
  options.connection.close_on_bad_filter = config.bad_filter == "close";
  options.connection.token_grace = config.token_grace;
  options.connection.messages = {config.device_message_rate, config.device_message_burst};
  options.connection.bytes = {config.device_byte_rate, config.device_byte_burst};
  options.connection.twin_requests = {config.device_twin_rate, config.device_twin_burst};
  const double subscribes = config.device_subscribes_per_minute;
  options.connection.subscribes = {subscribes / 60, subscribes};
  options.connects = PerLoop({config.connect_rate, config.connect_burst}, loops);
  options.connects_per_source = PerLoop({config.source_connect_rate, config.source_connect_burst}, loops);
  options.admission = {PerLoop({config.admission_rate, config.admission_burst}, loops), config.admission_wait};
  const double refusals = config.source_refusals_per_minute;
  options.refusals_per_source = PerLoop({refusals / 60, refusals}, loops);
  options.buffer_bytes_max = config.buffer_bytes_max;
  for (size_t i = 0; i < kListenerKinds; ++i) {
    options.proxy_protocol[i] = config.HasProxyProtocol(static_cast<ListenerKind>(i));
  }
  options.connections_max = config.max_connections;
  options.activity_interval = config.activity_interval;
  options.handshake_timeout = config.handshake_timeout;
  for (const std::string& range : config.proxy_protocol_sources) {
    if (const auto parsed = AddressRange::Parse(range)) options.proxies.push_back(*parsed);  // A rule of Config.
  }
  return options;
}

int LoopCount(const Config& config) {
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return config.loops > 0 ? config.loops : std::min(cores, kLoopsMax);
}

// Each connection is a descriptor, and the usual soft limit is 1,024: raises it as far as the system lets us.
void RaiseDescriptorLimit(int64_t connections_max) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < static_cast<rlim_t>(connections_max)) {
    FLEETCAST_LOG(kWarning, "the system allows fewer descriptors than --max-connections",
                  {{"descriptors", static_cast<uint64_t>(limit.rlim_max)}, {"max_connections", connections_max}});
  }
}

// A listener of the same address for each loop; the kernel spreads connections over them. Nothing for an empty address.
absl::StatusOr<std::vector<Fd>> ListenForLoops(const std::string& address, int loops, int* port) {
  std::vector<Fd> listeners(static_cast<size_t>(loops));
  if (address.empty()) return listeners;
  std::string bound = address;
  for (Fd& listener : listeners) {
    FLEETCAST_ASSIGN_OR_RETURN(listener, Listen(bound));
    *port = BoundPort(listener);
    bound = address.substr(0, address.rfind(':') + 1) + std::to_string(*port);  // If the kernel chose the first.
  }
  return listeners;
}

}  // namespace

Edge::Edge(const Config& config, telemetry::Metrics& metrics, Clock& clock, EdgeHooks hooks)
    : config_(config),
      clock_(clock),
      hooks_(std::move(hooks)),
      identity_{config.edge_id, RandomId()},
      metrics_(metrics),
      loop_options_(MakeLoopOptions(config, LoopCount(config))) {}

Edge::~Edge() { Stop(); }

absl::StatusOr<std::unique_ptr<Edge>> Edge::Create(const Config& config, telemetry::Metrics& metrics, Clock& clock,
                                                   Random& random, EdgeHooks hooks) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that the peer has closed.
  RaiseDescriptorLimit(config.max_connections);
  std::unique_ptr<Edge> edge(new Edge(config, metrics, clock, std::move(hooks)));
  if (config.has_tls()) {
    TlsFiles files{.ticket_keys = config.tls_ticket_key_file};
    for (size_t i = 0; i < config.tls_cert_files.size(); ++i) {
      files.certificates.push_back({config.tls_cert_files[i], config.tls_key_files[i]});
    }
    FLEETCAST_ASSIGN_OR_RETURN(edge->tls_, TlsStore::Create(files, {.allow_cbc = config.tls_allow_cbc}, metrics));
  }
  if (!config.client_ca_file.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(edge->client_authorities_, ClientAuthorities::Load(config.client_ca_file));
    edge->loop_options_.client_authorities = edge->client_authorities_.get();
  }
  FLEETCAST_RETURN_IF_ERROR(edge->CreateLinks(metrics));
  FLEETCAST_RETURN_IF_ERROR(edge->CreateTelemetrySink());
  FLEETCAST_RETURN_IF_ERROR(edge->CreateLoops(random));
  return edge;
}

absl::Status Edge::CreateLinks(telemetry::Metrics& metrics) {
  const telemetry::Counter dropped =
      metrics.NewCounter("fleetcast_edge_dropped_reports_total", "Call reports that no replica took in time");
  for (const std::string& address : config_.device_connection_addresses) {
    FLEETCAST_ASSIGN_OR_RETURN(std::unique_ptr<HubLink> link, HubLink::Create(static_cast<LinkIndex>(links_.size()),
                                                                              address, identity_, *this, dropped));
    links_.push_back(std::move(link));
  }
  return absl::OkStatus();
}

absl::Status Edge::CreateTelemetrySink() {
  if (config_.telemetry_redis.empty()) return absl::OkStatus();
  FLEETCAST_ASSIGN_OR_RETURN(std::unique_ptr<redis::Client> redis,
                             redis::Client::Create({.address = config_.telemetry_redis,
                                                    .password = config_.telemetry_redis_password,
                                                    .user = config_.telemetry_redis_user,
                                                    .connections = 1},
                                                   clock_));
  telemetry_sink_ = std::make_unique<TelemetrySink>(
      std::move(redis),
      TelemetrySink::Options{.stream = config_.telemetry_stream,
                             .stream_entries_max = config_.telemetry_stream_entries_max},
      [this](int loop, TelemetryDelivery delivery) {
        loops_[static_cast<size_t>(loop)]->PostDelivered(std::move(delivery));
      },
      metrics_, clock_);
  loop_options_.telemetry_sink = telemetry_sink_.get();
  loop_options_.telemetry_bytes_max = static_cast<size_t>(config_.telemetry_queue_bytes / LoopCount(config_));
  return absl::OkStatus();
}

absl::Status Edge::CreateLoops(Random& random) {
  const int count = LoopCount(config_);
  PerListener<std::vector<Fd>> listeners;
  for (size_t kind = 0; kind < kListenerKinds; ++kind) {
    const std::string& address = config_.ListenAddress(static_cast<ListenerKind>(kind));
    FLEETCAST_ASSIGN_OR_RETURN(listeners[kind], ListenForLoops(address, count, &ports_[kind]));
  }
  std::vector<HubLink*> links;
  for (const auto& link : links_) links.push_back(link.get());
  for (int i = 0; i < count; ++i) {
    loops_.push_back(
        std::make_unique<EventLoop>(i, loop_options_, tls_.get(), links, totals_, metrics_, clock_, random));
    PerListener<Fd> own;
    for (size_t kind = 0; kind < kListenerKinds; ++kind) own[kind] = std::move(listeners[kind][static_cast<size_t>(i)]);
    loops_.back()->Serve(std::move(own));
  }
  return absl::OkStatus();
}

void Edge::Start() {
  is_serving_ = true;
  if (telemetry_sink_ != nullptr) telemetry_sink_->Start();
  for (const auto& loop : loops_) loop->Start();
  for (const auto& link : links_) link->Start();
  if (tls_ != nullptr && config_.tls_reload_interval > absl::ZeroDuration()) {
    tls_watcher_ = std::jthread([this](const std::stop_token& stop) { WatchTlsFiles(stop); });
  }
  FLEETCAST_LOG(kInfo, "edge serves devices",
                {{"edge_id", identity_.edge_id},
                 {"boot_id", identity_.boot_id},
                 {"loops", static_cast<int>(loops_.size())},
                 {"tls_port", tls_port()},
                 {"plain_port", plain_port()},
                 {"ws_port", port(ListenerKind::kWebSocketTls)},
                 {"ws_plain_port", port(ListenerKind::kWebSocketPlain)}});
}

DrainPace Edge::OwnPace() const {
  return {.over = config_.close_over,
          .closes_per_second = 0,
          .closes_per_second_min = kClosesPerSecondMin / static_cast<double>(loops_.size())};
}

void Edge::BeginDrain(const DrainOrder& order) {
  is_draining_ = true;
  hooks_.set_ready(false);
  metrics_.draining.Set(1);
  for (const auto& loop : loops_) loop->PostDrain(order);
}

// An operator wants this edge empty; the process stays.
void Edge::OnDrainOrder(const pb::DrainEdge& order) {
  const bool has_pace = order.closes_per_second() > 0 || order.has_close_over_millis();
  if (is_draining_ && !has_pace) return;  // Somebody wants to watch.
  DrainPace pace = OwnPace();
  if (order.closes_per_second() > 0) {
    pace = {.over = {}, .closes_per_second = order.closes_per_second() / static_cast<double>(loops_.size())};
  } else if (order.has_close_over_millis()) {
    pace = {.over = absl::Milliseconds(std::max<int64_t>(0, order.close_over_millis()))};
  }
  FLEETCAST_LOG(kInfo, "draining on demand",
                {{"connections", open_connections()},
                 {"close_over", pace.over},
                 {"closes_per_second", order.closes_per_second()},
                 {"delay", hooks_.drain_delay}});
  BeginDrain({pace, clock_.Monotonic() + hooks_.drain_delay, config_.call_drain});
}

void Edge::Drain(const std::stop_token& hurry) {
  if (!is_serving_) return;
  const absl::Duration now = clock_.Monotonic();
  BeginDrain({OwnPace(), now, config_.call_drain});
  AwaitEmpty(now + config_.close_over + config_.call_drain + kDrainMargin, hurry);
  if (totals_.connections == 0) return;
  FLEETCAST_LOG(kWarning, "closing what is left at once", {{"connections", open_connections()}});
  const absl::Duration late = clock_.Monotonic();
  BeginDrain({.pace = {.over = absl::ZeroDuration()}, .accept_until = late, .call_limit = absl::ZeroDuration()});
  AwaitEmpty(late + kHurryLimit, {});
}

void Edge::AwaitEmpty(absl::Duration limit, const std::stop_token& hurry) const {
  while (totals_.connections > 0 && clock_.Monotonic() < limit && clock_.Sleep(kDrainCheck, hurry)) {
  }
}

void Edge::Stop() {
  if (!is_serving_.exchange(false)) return;
  tls_watcher_ = {};
  for (const auto& loop : loops_) loop->Stop();
  if (telemetry_sink_ != nullptr) telemetry_sink_->Shutdown(kTelemetryShutdown);
  for (const auto& link : links_) link->Shutdown(kLinkShutdown);
}

void Edge::ReloadTls() {
  if (tls_ != nullptr) tls_->Reload(/*demand=*/true);
}

void Edge::WatchTlsFiles(const std::stop_token& stop) {
  while (clock_.Sleep(config_.tls_reload_interval, stop)) tls_->Reload(/*demand=*/false);
}

void Edge::OnLinkAttached(LinkIndex link, uint64_t generation) {
  for (const auto& loop : loops_) loop->PostLinkAttached(link, generation);
  if (!is_draining_) hooks_.set_ready(true);
  if (is_draining_) hooks_.set_ready(false);  // It began meanwhile, and its word is the last.
}

void Edge::OnLinkLost(LinkIndex link) {
  for (const auto& loop : loops_) loop->PostLinkLost(link);
}

bool Edge::OnFrame(LinkIndex link, std::shared_ptr<const pb::AttachResponse> frame) {
  if (frame->has_drain()) OnDrainOrder(frame->drain());
  // Most frames concern one loop or a few.
  std::vector<bool> concerned(loops_.size(), frame->announce_sessions());
  const auto note = [&](const auto& entries) {
    for (const auto& entry : entries) {
      const auto loop = static_cast<size_t>(LoopOf(entry.session()));
      if (loop < concerned.size()) concerned[loop] = true;
    }
  };
  note(frame->open_results());
  note(frame->subscriptions_saved());
  note(frame->method_calls());
  note(frame->taken_answers());
  note(frame->twin_read_results());
  note(frame->reported_patch_results());
  note(frame->desired_changes());
  note(frame->disconnects());
  note(frame->session_checks());
  for (size_t i = 0; i < loops_.size(); ++i) {
    if (concerned[i] && !loops_[i]->PostFrame(link, frame)) return false;
  }
  return true;
}

}  // namespace fleetcast::mqtt_edge
