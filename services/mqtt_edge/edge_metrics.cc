#include "services/mqtt_edge/edge_metrics.h"

#include <algorithm>
#include <string>

namespace fleetcast::mqtt_edge {
namespace {

constexpr std::array<const char*, kDroppedKinds> kDroppedNames = {
    "telemetry",      "will",           "late_answer",  "oversize_answer", "senseless_topic", "unsubscribed_twin",
    "unknown_puback", "duplicate_call", "stale_result", "refused_publish", "oversize_packet", "telemetry_overflow"};

constexpr std::array<const char*, kLimits> kLimitNames = {
    "connects_held", "connects_refused", "refusals_held", "source_refusals", "messages",     "bytes",
    "twin_shaped",   "twin_refused",     "subscribes",    "behind",          "buffers_held", "buffers_shed"};

}  // namespace

const char* CloseReasonName(CloseReason reason) {
  constexpr std::array<const char*, kCloseReasons> kNames = {
      "none",       "disconnect",      "peer_gone", "handshake",   "proxy_header",    "source_limit", "upgrade_refused",
      "websocket",  "connect_timeout", "refused",   "protocol",    "forbidden_topic", "keep_alive",   "token_expired",
      "taken_over", "desired_gap",     "slow",      "unavailable", "draining",        "rate_limit",   "buffer_budget"};
  return kNames[static_cast<size_t>(reason)];
}

EdgeMetrics::EdgeMetrics(telemetry::Metrics& metrics)
    : connections(metrics.NewGauge("fleetcast_edge_connections", "Open sockets of devices")),
      sessions(metrics.NewGauge("fleetcast_edge_sessions", "Connected devices")),
      draining(metrics.NewGauge("fleetcast_edge_draining", "1 while the edge empties and when it is empty, else 0")),
      backlog_bytes(
          metrics.NewGauge("fleetcast_edge_outbound_queue_bytes", "Bytes that slow devices have not taken yet")),
      buffered_bytes(metrics.NewGauge("fleetcast_edge_buffered_bytes",
                                      "Bytes that wait in buffers of connections, in either direction")),
      accepted(metrics.NewCounter("fleetcast_edge_accepts_total", "Sockets accepted")),
      accept_paused(metrics.NewCounter("fleetcast_edge_accept_pauses_total", "Times accepting was put off by a limit")),
      source_refused(metrics.NewCounter("fleetcast_edge_source_refusals_total",
                                        "Sockets closed before the handshake by the limit per source")),
      proxy_headers_refused(metrics.NewCounter("fleetcast_edge_proxy_header_refusals_total",
                                               "Connections without a good PROXY header where one must be")),
      handshakes(metrics.NewCounter("fleetcast_edge_tls_handshakes_total", "TLS handshakes completed")),
      handshakes_resumed(
          metrics.NewCounter("fleetcast_edge_tls_resumptions_total", "TLS handshakes that resumed a session")),
      handshake_failures(metrics.NewCounter("fleetcast_edge_tls_failures_total", "TLS handshakes that failed")),
      web_socket_upgrades(metrics.NewCounter("fleetcast_edge_websocket_upgrades_total", "WebSockets opened")),
      web_socket_refusals(metrics.NewCounters("fleetcast_edge_websocket_refusals_total",
                                              "Requests for a WebSocket that were refused, by HTTP status",
                                              {"status"})),
      packets_received(metrics.NewCounter("fleetcast_edge_packets_received_total", "MQTT packets received")),
      methods_sent(metrics.NewCounter("fleetcast_edge_methods_sent_total", "Method requests written to devices")),
      methods_answered(metrics.NewCounter("fleetcast_edge_methods_answered_total", "Answers passed on")),
      pubacks_expired(metrics.NewCounter("fleetcast_edge_pubacks_expired_total",
                                         "PUBACKs of answers of which nobody said in time that they were taken")),
      methods_not_sent(metrics.NewCounter("fleetcast_edge_methods_not_sent_total", "Method requests proven unsent")),
      methods_lost(metrics.NewCounter("fleetcast_edge_methods_lost_total",
                                      "Method requests whose connection ended before the answer")),
      twin_requests(
          metrics.NewCounter("fleetcast_edge_twin_requests_total", "Twin reads and reported patches passed on")),
      desired_changes(metrics.NewCounter("fleetcast_edge_desired_changes_total", "Desired changes written to devices")),
      telemetry_received(
          metrics.NewCounter("fleetcast_edge_telemetry_received_total", "Telemetry messages that were accepted")),
      telemetry_delivered(
          metrics.NewCounter("fleetcast_edge_telemetry_delivered_total", "Telemetry messages that Redis has")),
      telemetry_failures(metrics.NewCounter("fleetcast_edge_telemetry_failures_total",
                                            "Batches of telemetry that Redis did not take and that are sent again")),
      telemetry_waiting(metrics.NewGauge("fleetcast_edge_telemetry_waiting", "Telemetry messages that wait for Redis")),
      telemetry_waiting_bytes(metrics.NewGauge("fleetcast_edge_telemetry_waiting_bytes", "Memory that they take")),
      telemetry_paused(metrics.NewGauge("fleetcast_edge_telemetry_paused_connections",
                                        "Connections that are not read from because too much telemetry waits")),
      telemetry_seconds(metrics.NewHistogram("fleetcast_edge_telemetry_delivery_seconds",
                                             "From the oldest message of a batch until Redis has the batch",
                                             telemetry::WaitSeconds())) {
  const auto connacks =
      metrics.NewCounters("fleetcast_edge_connects_total", "CONNACKs by return or reason code", {"code"});
  for (int code = 0; code < 6; ++code) connack[code] = connacks.With({std::to_string(code)});
  for (size_t i = 0; i < kConnackReasons.size(); ++i) {
    connack_reasons[i] = connacks.With({std::to_string(static_cast<int>(kConnackReasons[i]))});
  }
  const auto ends = metrics.NewCounters("fleetcast_edge_disconnects_total", "Connections ended, by reason", {"reason"});
  for (int i = 0; i < kCloseReasons; ++i) disconnects[i] = ends.With({CloseReasonName(static_cast<CloseReason>(i))});
  const auto violations_by_kind =
      metrics.NewCounters("fleetcast_edge_violations_total", "Connections that broke MQTT, by kind", {"kind"});
  for (int i = 0; i < mqtt::kViolations; ++i) {
    violations[i] = violations_by_kind.With({mqtt::ViolationName(static_cast<mqtt::Violation>(i))});
  }
  const auto frame_violations = metrics.NewCounters("fleetcast_edge_websocket_violations_total",
                                                    "Connections that broke WebSocket, by kind", {"kind"});
  for (int i = 0; i < websocket::kViolations; ++i) {
    web_socket_violations[i] = frame_violations.With({websocket::ViolationName(static_cast<websocket::Violation>(i))});
  }
  const auto acting = metrics.NewCounters("fleetcast_edge_limits_total", "Times that a limit has acted", {"limit"});
  for (int i = 0; i < kLimits; ++i) limits[i] = acting.With({kLimitNames[i]});
  const auto drops = metrics.NewCounters("fleetcast_edge_dropped_total", "Input without effect, by kind", {"kind"});
  for (int i = 0; i < kDroppedKinds; ++i) dropped[i] = drops.With({kDroppedNames[i]});
}

void EdgeMetrics::CountConnack(mqtt::ReasonCode reason) const {
  const auto found = std::find(kConnackReasons.begin(), kConnackReasons.end(), reason);
  connack_reasons[found == kConnackReasons.end() ? 0 : found - kConnackReasons.begin()].Add();
}

}  // namespace fleetcast::mqtt_edge
