// Everything the edge counts, with the handles resolved once.
#pragma once

#include <array>

#include "libs/mqtt/codec.h"
#include "libs/telemetry/metrics.h"
#include "libs/websocket/frames.h"

namespace fleetcast::mqtt_edge {

// Why a connection ended; also the label `reason` of fleetcast_edge_disconnects_total.
enum class CloseReason : uint8_t {
  kNone,
  kDisconnect,      // The device said DISCONNECT.
  kPeerGone,        // The device closed the socket, or it failed.
  kHandshake,       // TLS did not come about.
  kProxyHeader,     // It did not begin with a PROXY header, where one must be.
  kSourceLimit,     // Its source, told by a proxy, is over its limit.
  kUpgradeRefused,  // The request for a WebSocket was answered with an HTTP error.
  kWebSocket,       // Not WebSocket, or not the part of it that is offered.
  kConnectTimeout,  // No CONNECT in time.
  kRefused,         // CONNACK with a code other than 0, or a token that was refused when it was renewed.
  kProtocol,        // Not MQTT, or not the part of it that is offered.
  kForbiddenTopic,  // A topic or filter outside of the vocabulary.
  kKeepAlive,       // Silence.
  kTokenExpired,    // The SAS token's grace is over.
  kTakenOver,       // device_connection says so: a newer session, disabled, deleted.
  kDesiredGap,      // A desired change is missing; the device has to read its twin again.
  kSlow,            // The device does not read what it is sent.
  kUnavailable,     // device_connection could not store what it had to.
  kDraining,        // The edge goes down.
  kRateLimit,       // More SUBSCRIBEs than a device may send.
  kBufferBudget,    // The process holds too many bytes for its devices, and this one's share was among the largest.
};
inline constexpr int kCloseReasons = static_cast<int>(CloseReason::kBufferBudget) + 1;

// A short snake_case name.
const char* CloseReasonName(CloseReason reason);

// What devices do that has no effect but is worth counting; label `kind` of fleetcast_edge_dropped_total.
enum class Dropped : uint8_t {
  kTelemetry,          // Acknowledged and dropped: there is no sink.
  kWill,               // A will that would be telemetry.
  kLateAnswer,         // No call waits for this answer (M5, M6, M7).
  kOversizeAnswer,     // More than 128 KiB.
  kSenselessTopic,     // A request without a usable request id, or a status that is no number.
  kUnsubscribedTwin,   // A twin request without the subscription for its answer.
  kUnknownPuback,      // D-PID-2
  kDuplicateCall,      // A method call that this session has already.
  kStaleResult,        // An answer of device_connection that nothing waits for.
  kRefusedPublish,     // Refused in its PUBACK (MQTT 5).
  kOversizePacket,     // Larger than the packets that the device takes (MQTT 5): not sent.
  kTelemetryOverflow,  // Not acknowledged: the sink had no memory left for it, or the process ended.
};
inline constexpr int kDroppedKinds = static_cast<int>(Dropped::kTelemetryOverflow) + 1;

// Limits that have acted; label `limit` of fleetcast_edge_limits_total.
enum class Limited : uint8_t {
  kConnectsHeld,     // A CONNECT waited for its turn.
  kConnectsRefused,  // It would have waited too long: CONNACK 3.
  kRefusalsHeld,     // A refusal was told later, since its identity was refused too often,
  kSourceRefusals,   // or too many from its source address were.
  kMessages,         // Reading paused: more packets than a device may send,
  kBytes,            // or more bytes.
  kTwinShaped,       // A twin request waited for its turn.
  kTwinRefused,      // It would have waited too long: 429.
  kSubscribes,       // More SUBSCRIBEs than a device may send: the connection ended.
  kBehind,           // Accepting was put off because the loop was behind,
  kBuffersHeld,      // or because the process holds too many bytes.
  kBuffersShed,      // A connection ended because of that.
};
inline constexpr int kLimits = static_cast<int>(Limited::kBuffersShed) + 1;

// What CONNACKs of MQTT 5 refuse with; others are counted as the first.
inline constexpr std::array kConnackReasons = {
    mqtt::ReasonCode::kUnspecifiedError,
    mqtt::ReasonCode::kMalformedPacket,
    mqtt::ReasonCode::kProtocolError,
    mqtt::ReasonCode::kImplementationSpecificError,
    mqtt::ReasonCode::kClientIdentifierNotValid,
    mqtt::ReasonCode::kBadUserNameOrPassword,
    mqtt::ReasonCode::kNotAuthorized,
    mqtt::ReasonCode::kServerUnavailable,
    mqtt::ReasonCode::kServerBusy,
    mqtt::ReasonCode::kBadAuthenticationMethod,
    mqtt::ReasonCode::kPayloadFormatInvalid,
    mqtt::ReasonCode::kRetainNotSupported,
    mqtt::ReasonCode::kQosNotSupported,
};

struct EdgeMetrics {
  explicit EdgeMetrics(telemetry::Metrics& metrics);

  telemetry::Gauge connections;  // Sockets.
  telemetry::Gauge sessions;     // Connected devices.
  telemetry::Gauge draining;     // 1: no new ones are taken, or soon.
  telemetry::Gauge backlog_bytes;
  telemetry::Gauge buffered_bytes;  // Of which the backlog is a part.
  telemetry::Counter accepted;
  telemetry::Counter accept_paused;   // Times that accepting was put off by a limit.
  telemetry::Counter source_refused;  // Closed before the handshake by the limit per source.
  telemetry::Counter proxy_headers_refused;
  telemetry::Counter handshakes;
  telemetry::Counter handshakes_resumed;
  telemetry::Counter handshake_failures;
  telemetry::Counter web_socket_upgrades;
  telemetry::CounterFamily web_socket_refusals;  // By HTTP status.
  telemetry::Counter web_socket_violations[websocket::kViolations];
  telemetry::Counter connack[6];  // By return code; 0 at both levels.
  telemetry::Counter connack_reasons[kConnackReasons.size()];
  telemetry::Counter disconnects[kCloseReasons];
  telemetry::Counter violations[mqtt::kViolations];
  telemetry::Counter dropped[kDroppedKinds];
  telemetry::Counter limits[kLimits];
  telemetry::Counter packets_received;
  telemetry::Counter methods_sent;
  telemetry::Counter methods_answered;
  telemetry::Counter pubacks_expired;  // Sent although nobody had said that the answer is taken.
  telemetry::Counter methods_not_sent;
  telemetry::Counter methods_lost;  // The connection ended after the request was written.
  telemetry::Counter twin_requests;
  telemetry::Counter desired_changes;
  telemetry::Counter telemetry_received;
  telemetry::Counter telemetry_delivered;
  telemetry::Counter telemetry_failures;  // Batches that Redis did not take, and that are sent again.
  telemetry::Gauge telemetry_waiting;     // Messages that were taken and are not delivered.
  telemetry::Gauge telemetry_waiting_bytes;
  telemetry::Gauge telemetry_paused;       // Connections that are not read from, because the sink is full.
  telemetry::Histogram telemetry_seconds;  // From a batch's oldest message until it is delivered.

  void CountDropped(Dropped kind) const { dropped[static_cast<int>(kind)].Add(); }
  void CountLimited(Limited limit) const { limits[static_cast<int>(limit)].Add(); }
  // A refusal of MQTT 5.
  void CountConnack(mqtt::ReasonCode reason) const;
};

}  // namespace fleetcast::mqtt_edge
