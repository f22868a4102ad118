// What a connection may ask of the world, and what it is told about the moment. The connection itself does no I/O
// (connection.h); the event loop implements this for real sockets and links, the tests record it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "libs/base/random.h"
#include "libs/mqtt/properties.h"
#include "services/mqtt_edge/edge_metrics.h"

namespace fleetcast::mqtt_edge {

// One of the streams to device_connection, by its place in the configuration.
using LinkIndex = int32_t;
inline constexpr LinkIndex kNoLink = -1;

// Names one connection for the life of the process, everywhere outside of its loop. See session_id.h.
using SessionId = uint64_t;

// Bits of fleetcast.internal.v1.SubscriptionBit, the same from the wire to the table.
using Subscriptions = uint32_t;
inline constexpr Subscriptions kMethodsBit = 1;
inline constexpr Subscriptions kTwinResponsesBit = 2;
inline constexpr Subscriptions kDesiredBit = 4;
inline constexpr Subscriptions kMessagesBit = 8;
inline constexpr Subscriptions kMessagesQos1Bit = 16;
inline constexpr Subscriptions kModuleBit = 32;
inline constexpr Subscriptions kModuleQos1Bit = 64;
inline constexpr Subscriptions kInputsBit = 128;
inline constexpr Subscriptions kInputsQos1Bit = 256;

// What a CONNECT asks for. Views live during the call only. Here and everywhere in the edge, `device_id` is the text of
// an identity: `device`, or `device/module` of a module, as in internal.v1.
struct OpenRequest {
  std::string_view client_id;
  std::string_view host;
  std::string_view device_id;
  std::string_view password;  // A secret: never logged.
  bool clean_session = false;
  std::string_view api_version;
  std::string_view product_info;
  std::string_view model_id;
  bool ends_with_connection = false;    // The session that is resumed is not kept after it (MQTT 5).
  uint32_t session_expiry_seconds = 0;  // For how long it is kept after it (MQTT 5); 0 = for ever, if at all.
  int64_t renewed_epoch = 0;            // Not 0: only check the new token of the session with this epoch.
};

// What became of a method call on this edge (call_event.proto).
struct CallReport {
  enum class Kind : uint8_t { kSent, kNotSent, kAnswer, kConnectionLost };
  enum class Reason : uint8_t { kNone, kNotSubscribed, kPermitExpired, kBusy, kStaleRoute, kTooLarge };
  Kind kind = Kind::kSent;
  Reason reason = Reason::kNone;  // Of kNotSent.
  int32_t device_status = 0;      // Of kAnswer.
  uint64_t call_id = 0;
  int64_t epoch = 0;
  int64_t sent_unix_micros = 0;  // Of kSent.
  std::string payload = {};      // Of kAnswer.
  bool waits = false;            // Of kAnswer: the device gets its PUBACK when the answer is taken.
  SessionId session = 0;         // Of an answer that waits: whose; the loop sets it.
};

// What a device has published as telemetry. Views live during the call only.
struct TelemetryMessage {
  absl::Duration now;           // Monotonic.
  absl::Time time;              // When it came.
  std::string_view properties;  // The property bag, trimmed, as it came: percent-encoded and well-formed.
  std::string_view payload;
  bool is_retained = false;               // Its RETAIN flag.
  bool waits = false;                     // QoS 1: the device gets its PUBACK when the message is delivered.
  const mqtt::PublishProperties& level5;  // Empty at 3.1.1.
};

// What the telemetry sink says to a message.
enum class SinkAnswer : uint8_t {
  kNoSink,     // There is none.
  kTaken,      // It will be delivered; one that waits is told by OnTelemetryDelivered.
  kTakenLast,  // The same; and nothing more is to be read from this device until OnTelemetryRoom.
  kRefused,    // No memory is left for it.
};

class Effects {
 public:
  virtual ~Effects() = default;

  // The link that is responsible for a device, or another one that is attached, or kNoLink.
  virtual LinkIndex PickLink(std::string_view device_id) = 0;

  // Messages to device_connection through an attached link. Answers come as calls of the connection; the loss of the
  // link before that as OnLinkLost.
  virtual void OpenSession(LinkIndex link, const OpenRequest& request) = 0;
  // `session_expiry_seconds`: of a durable set, for how long it is kept after the connection; 0 = for ever.
  virtual void ChangeSubscriptions(LinkIndex link, Subscriptions subscriptions, bool durable,
                                   uint32_t session_expiry_seconds) = 0;
  // `traceparent`: well-formed, or empty.
  virtual void ReadTwin(LinkIndex link, std::string_view request_id, std::string_view traceparent) = 0;
  virtual void PatchReported(LinkIndex link, std::string_view request_id, std::string_view patch, int64_t if_version,
                             std::string_view traceparent) = 0;
  // The connection ended before the answer to OpenSession came: the session must be closed when it comes about.
  virtual void AbandonOpen(LinkIndex link, std::string_view device_id) = 0;
  // The session with `epoch` is over: told to every replica, since all know of it. `session_expiry_seconds`: for how
  // long what is stored of it is to be kept, if the device said so at the end; 0 = not at all.
  virtual void CloseSession(std::string_view device_id, int64_t epoch,
                            std::optional<uint32_t> session_expiry_seconds) = 0;
  // Kept until the link's peer has acknowledged it.
  virtual void ReportCall(LinkIndex link, CallReport report) = 0;
  // A message for the sink, which delivers those of one connection in their order.
  virtual SinkAnswer PassTelemetry(const TelemetryMessage& message) = 0;
};

// The moment at which something happens to a connection.
struct Turn {
  absl::Duration now;  // Monotonic.
  absl::Time wall;
  // Bytes that wait because the socket takes no more; while there are any, `output` goes behind them.
  size_t backlog_bytes = 0;
  std::string* output = nullptr;  // Bytes for the device are appended here; the caller sends them right after.
  Effects* effects = nullptr;
  const EdgeMetrics* metrics = nullptr;
  Random* random = nullptr;
};

}  // namespace fleetcast::mqtt_edge
