// For tests: a Connection with a device in front and a hub behind, all in memory, time at will.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/check.h"
#include "libs/base/random.h"
#include "libs/mqtt/codec.h"
#include "libs/mqtt/messages.h"
#include "libs/telemetry/metrics.h"
#include "services/mqtt_edge/connection/connection.h"

namespace fleetcast::mqtt_edge {

inline constexpr std::string_view kDeviceUsername =
    "hub.test.local/dev-1/?api-version=2021-04-12&DeviceClientType=node";
inline constexpr std::string_view kDevicePassword =
    "SharedAccessSignature sr=hub.test.local%2Fdevices%2Fdev-1&sig=x&se=9";

// What the connection asked of the hub, in order, as text; and everything with fields as values.
class RecordingEffects final : public Effects {
 public:
  struct Open {
    LinkIndex link;
    std::string client_id, host, device_id, password, api_version, product_info;
    bool clean_session;
    bool ends_with_connection;
    int64_t renewed_epoch;
    uint32_t session_expiry_seconds;
  };
  struct Change {
    Subscriptions subscriptions;
    bool durable;
    uint32_t session_expiry_seconds;
  };
  struct Patch {
    std::string request_id, patch;
    int64_t if_version;
    std::string traceparent;
  };
  struct Telemetry {
    std::string properties, payload;
    bool waits, is_retained;
    std::string content_type;
  };

  LinkIndex PickLink(std::string_view) override { return link; }
  void OpenSession(LinkIndex to, const OpenRequest& request) override {
    opens.push_back({to, std::string(request.client_id), std::string(request.host), std::string(request.device_id),
                     std::string(request.password), std::string(request.api_version), std::string(request.product_info),
                     request.clean_session, request.ends_with_connection, request.renewed_epoch,
                     request.session_expiry_seconds});
  }
  void ChangeSubscriptions(LinkIndex, Subscriptions subscriptions, bool durable, uint32_t expiry) override {
    changes.push_back({subscriptions, durable, expiry});
  }
  void ReadTwin(LinkIndex, std::string_view request_id, std::string_view traceparent) override {
    reads.emplace_back(request_id);
    read_traceparents.emplace_back(traceparent);
  }
  void PatchReported(LinkIndex, std::string_view request_id, std::string_view patch, int64_t if_version,
                     std::string_view traceparent) override {
    patches.push_back({std::string(request_id), std::string(patch), if_version, std::string(traceparent)});
  }
  void AbandonOpen(LinkIndex, std::string_view device_id) override { abandoned.emplace_back(device_id); }
  void CloseSession(std::string_view, int64_t epoch, std::optional<uint32_t> expiry) override {
    closed_epochs.push_back(epoch);
    last_expiries.push_back(expiry);
  }
  void ReportCall(LinkIndex, CallReport report) override { reports.push_back(std::move(report)); }
  SinkAnswer PassTelemetry(const TelemetryMessage& message) override {
    if (sink == SinkAnswer::kTaken || sink == SinkAnswer::kTakenLast) {
      telemetry.push_back({std::string(message.properties), std::string(message.payload), message.waits,
                           message.is_retained, std::string(message.level5.content_type.value_or(""))});
    }
    return sink;
  }

  LinkIndex link = 0;  // kNoLink: device_connection is out of reach.
  SinkAnswer sink = SinkAnswer::kNoSink;
  std::vector<Open> opens;
  std::vector<Change> changes;
  std::vector<std::string> reads;
  std::vector<std::string> read_traceparents;  // Beside them.
  std::vector<Patch> patches;
  std::vector<std::string> abandoned;
  std::vector<int64_t> closed_epochs;
  std::vector<std::optional<uint32_t>> last_expiries;  // Beside them.
  std::vector<CallReport> reports;
  std::vector<Telemetry> telemetry;  // That the sink has taken.
};

// The middle of every range.
class FixedRandom final : public Random {
 public:
  uint64_t Next() override { return 500; }
};

class Harness {
 public:
  explicit Harness(const ConnectionLimits& limits = {}) : limits_(limits), connection_(limits_, now_) {}

  Connection& connection() { return connection_; }
  RecordingEffects& hub() { return effects_; }
  CloseReason close_reason() const { return connection_.close_reason(); }
  bool is_open() const { return !connection_.is_closed(); }
  double dropped(Dropped kind) const { return metrics_.dropped[static_cast<int>(kind)].value(); }
  double paused() const { return metrics_.telemetry_paused.value(); }
  double limited(Limited limit) const { return metrics_.limits[static_cast<int>(limit)].value(); }
  double pubacks_expired() const { return metrics_.pubacks_expired.value(); }
  absl::Time wall() const { return wall_; }

  void Advance(absl::Duration duration) {
    now_ += duration;
    wall_ += duration;
  }
  // Moves time on and fires the timer, as often as the connection asks for it on the way.
  void AdvanceWithTimers(absl::Duration duration) {
    const absl::Duration end = now_ + duration;
    while (is_open() && connection_.NextDeadline() <= end) {
      Advance(std::max(absl::ZeroDuration(), connection_.NextDeadline() - now_));
      const absl::Duration before = connection_.NextDeadline();
      In([](Connection& connection, Turn& turn) { connection.OnTimer(turn); });
      if (is_open() && connection_.NextDeadline() == before) break;
    }
    if (now_ < end) Advance(end - now_);
  }

  // Something happens to the connection; what it sends is kept for TakeOutput. `backlog_bytes` is what the socket has
  // not taken yet.
  template <typename Call>
  void In(Call call, size_t backlog_bytes = 0) {
    Turn turn{.now = now_,
              .wall = wall_,
              .backlog_bytes = backlog_bytes,
              .output = &output_,
              .effects = &effects_,
              .metrics = &metrics_,
              .random = &random_};
    call(connection_, turn);
    connection_.LeaveIfDone(turn);  // As the loop does.
  }

  void SendBytes(std::string_view bytes) {
    In([&](Connection& connection, Turn& turn) { connection.OnBytes(bytes, turn); });
  }
  // In the form of the level that the device connected with.
  template <typename Packet>
  void Send(const Packet& packet) {
    std::string bytes;
    mqtt::Encode(packet, &bytes, level_);
    SendBytes(bytes);
  }
  void Publish(std::string_view topic, std::string_view payload, int qos = 0, uint16_t packet_id = 10) {
    Send(mqtt::Publish{.qos = static_cast<uint8_t>(qos), .packet_id = packet_id, .topic = topic, .payload = payload});
  }

  static mqtt::Connect NodeConnect() {
    mqtt::Connect connect;
    connect.keep_alive_seconds = 180;
    connect.client_id = "dev-1";
    connect.username = kDeviceUsername;
    connect.password = kDevicePassword;
    return connect;
  }

  // The same at level 5, as a client connects that states nothing.
  static mqtt::Connect Connect5() {
    mqtt::Connect connect = NodeConnect();
    connect.level = mqtt::kLevel5;
    return connect;
  }
  // A device of level 5 that has sent this CONNECT and was accepted; its CONNACK.
  mqtt::Connack ConnectWith5(const mqtt::Connect& connect, Subscriptions stored = 0, bool session_present = true) {
    SendConnect5(connect);
    Open({.code = mqtt::ConnectCode::kAccepted,
          .epoch = 7,
          .subscriptions = stored,
          .session_present = session_present,
          .token_expiry = std::nullopt});
    return Take5<mqtt::Connack>();
  }
  void SendConnect5(const mqtt::Connect& connect) {
    level_ = mqtt::kLevel5;
    Send(connect);
  }
  // The output, which must be one packet of level 5 and of this kind. Its views live until the next call.
  template <typename Packet>
  Packet Take5() {
    taken_ = TakeOutput();
    std::string_view input = taken_;
    mqtt::PacketReader reader(mqtt::kLevel5);
    mqtt::Packet packet;
    FLEETCAST_CHECK(reader.Next(mqtt::kClientLimits5, &input, &packet) == mqtt::PacketReader::Result::kPacket);
    FLEETCAST_CHECK(input.empty() && std::holds_alternative<Packet>(packet));
    return std::get<Packet>(packet);
  }
  static mqtt::Connect ModuleConnect() {
    mqtt::Connect connect = NodeConnect();
    connect.client_id = "dev-1/mod";
    connect.username = "hub.test.local/dev-1/mod/?api-version=2021-04-12";
    return connect;
  }

  void Open(const OpenResult& result) {
    In([&](Connection& connection, Turn& turn) { connection.OnOpenResult(result, turn); });
  }
  // A connected device with these subscriptions stored.
  void ConnectWith(Subscriptions stored, const mqtt::Connect& connect = NodeConnect()) {
    Send(connect);
    Open({.code = mqtt::ConnectCode::kAccepted,
          .epoch = 7,
          .subscriptions = stored,
          .session_present = true,
          .token_expiry = std::nullopt});
    TakeOutput();
  }
  void SubscriptionsSaved(Subscriptions saved, int64_t desired_version = 0) {
    In([&](Connection& connection, Turn& turn) {
      connection.OnSubscriptionsSaved(saved, false, desired_version, turn);
    });
  }
  void DesiredChange(int64_t version) {
    const std::string patch = R"({"$version":)" + std::to_string(version) + "}";
    In([&](Connection& connection, Turn& turn) { connection.OnDesiredChange(7, version, patch, turn); });
  }
  void TwinRead(std::string_view request_id, int status, std::string_view document, int64_t desired_version) {
    In([&](Connection& connection, Turn& turn) {
      connection.OnTwinRead(request_id, status, document, desired_version, turn);
    });
  }
  MethodCall NewCall(uint64_t call_id) const {
    return {.call_id = call_id,
            .epoch = 7,
            .method = "lockDoor",
            .payload = "{}",
            .permit_expire = wall_ + absl::Seconds(1),
            .answer_deadline = wall_ + absl::Seconds(30),
            .link = 0};
  }
  void Call(const MethodCall& call, size_t backlog_bytes = 0) {
    In([&](Connection& connection, Turn& turn) { connection.OnMethodCall(call, turn); }, backlog_bytes);
  }
  void Timer() {
    In([](Connection& connection, Turn& turn) { connection.OnTimer(turn); });
  }

  std::string TakeOutput() { return std::exchange(output_, {}); }
  // Keeps the buffer, as the loop does.
  void ForgetOutput() { output_.clear(); }

  // The packets in the output, encoded again one by one.
  std::vector<std::string> TakePackets() {
    const std::string bytes = TakeOutput();
    std::string_view input = bytes;
    std::vector<std::string> packets;
    mqtt::PacketReader reader;
    mqtt::Packet packet;
    while (reader.Next(mqtt::kClientLimits, &input, &packet) == mqtt::PacketReader::Result::kPacket) {
      mqtt::Encode(packet, &packets.emplace_back());
    }
    return packets;
  }

 private:
  const ConnectionLimits limits_;
  absl::Duration now_ = absl::Hours(1);
  absl::Time wall_ = absl::FromUnixSeconds(1'800'000'000);
  telemetry::Metrics registry_;
  EdgeMetrics metrics_{registry_};
  FixedRandom random_;
  RecordingEffects effects_;
  std::string output_;
  std::string taken_;
  uint8_t level_ = mqtt::kLevel311;
  Connection connection_;
};

// Bytes of one packet.
template <typename Packet>
std::string BytesOf(const Packet& packet) {
  std::string bytes;
  mqtt::Encode(packet, &bytes);
  return bytes;
}

inline std::string PubackOf(uint16_t packet_id) { return BytesOf(mqtt::Puback{packet_id}); }

inline std::string TwinResponse(int status, std::string_view request_id, std::optional<int64_t> version,
                                std::string_view document) {
  std::string bytes;
  mqtt::AppendTwinResponse(status, request_id, version, document, &bytes);
  return bytes;
}

inline std::string MethodRequest(std::string_view method, uint64_t call_id, std::string_view payload) {
  std::string bytes;
  mqtt::AppendMethodRequest(method, call_id, payload, &bytes);
  return bytes;
}

inline std::string DesiredNotification(int64_t version) {
  std::string bytes;
  mqtt::AppendDesiredChange(version, R"({"$version":)" + std::to_string(version) + "}", &bytes);
  return bytes;
}

}  // namespace fleetcast::mqtt_edge
