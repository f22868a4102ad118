// One device connection, from its first byte to its end: MQTT 3.1.1 or 5 and the rules of IoT Hub, without any I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "libs/base/rate_limit.h"
#include "libs/mqtt/codec.h"
#include "libs/mqtt/topics.h"
#include "services/mqtt_edge/connection/desired_feed.h"
#include "services/mqtt_edge/connection/effects.h"
#include "services/mqtt_edge/connection/level5.h"
#include "services/mqtt_edge/connection/pubacks.h"

namespace fleetcast::mqtt_edge {

// The numbers of a connection, in one place. Sources: device-mqtt.md, ids in brackets.
struct ConnectionLimits {
  absl::Duration connect_timeout = absl::Seconds(30);   // From accept to CONNECT [D-TLS-7].
  absl::Duration open_timeout = absl::Seconds(20);      // For device_connection to answer; then CONNACK 3 [D-ST-2].
  absl::Duration keep_alive_max = absl::Seconds(1767);  // [2.7]
  absl::Duration token_grace = absl::Seconds(600);      // After expiry of the SAS token, ± 10 % [D-SAS-1].
  absl::Duration request_timeout = absl::Seconds(10);   // Twin requests and subscriptions on their way to the hub.
  absl::Duration drain_timeout = absl::Seconds(30);     // Until a socket that took nothing is given up [D-FL-2].
  absl::Duration taken_grace = absl::Seconds(10);       // After a call's deadline, for its answer to be committed.
  size_t held_bytes_max = 64 * 1024;                    // Read but not processed, e.g. behind a CONNECT [D-SES-4].
  size_t backlog_bytes_max = 512 * 1024;                // [D-FL-2]
  size_t backlog_messages_max = 64;                     // [D-FL-2]
  size_t requests_max = 128;                            // Twin requests that are unanswered; then reading pauses,
  size_t waiting_patch_bytes_max = 128 * 1024;          // as it does with so many bytes of patches that wait.
  size_t requests_in_flight_max = 1;                    // Twin requests on their way to the hub [6.2].
  size_t calls_max = 16;                                // Method calls in flight [M15].
  size_t ended_calls_max = 32;                          // Ids of calls that ended here and are not written again [2.7].
  size_t filters_max = 8;                               // In one SUBSCRIBE [D-SUB-2].
  size_t pubacks_max = 16;                              // PUBLISHes without their PUBACK; then reading pauses [D-FL-1],
                                                        // or at level 5, which is told the number, the connection ends.
  size_t acks_max = 16;                                 // SUBSCRIBEs in flight; then reading pauses.
  size_t answer_bytes_max = 128 * 1024;                 // [4.3]
  size_t patch_bytes_max = 32 * 1024;                   // [4.7]
  size_t echo_bytes_max = 256;                          // Of a response topic, and of correlation data.
  bool close_on_bad_filter = true;                      // Else SUBACK 0x80 [D-SUB-3].
  // Rates of one connection [6.2].
  Rate messages = {100, 200};                        // Packets but answers to calls; beyond, reading pauses.
  Rate bytes = {1 << 20, 2 << 20};                   // Likewise.
  Rate twin_requests = {10, 10};                     // Beyond, they wait for their turn,
  absl::Duration twin_wait_max = absl::Seconds(10);  // so long; who would wait longer is answered 429.
  Rate subscribes = {20.0 / 60, 20};                 // SUBSCRIBEs and UNSUBSCRIBEs; beyond, the connection ends.
};

// A method call that device_connection wants written. Views live during the call only.
struct MethodCall {
  uint64_t call_id = 0;
  int64_t epoch = 0;
  std::string_view method;
  std::string_view payload;           // JSON text; empty is sent as `null`.
  absl::Time permit_expire;           // Not to be written at or after this time.
  absl::Time answer_deadline;         // Nobody waits for the answer after it.
  LinkIndex link = kNoLink;           // Where reports go.
  std::string_view traceparent = {};  // Of the caller; empty = none.
};

// What device_connection says about a CONNECT.
struct OpenResult {
  mqtt::ConnectCode code = mqtt::ConnectCode::kServerUnavailable;
  int64_t epoch = 0;
  Subscriptions subscriptions = 0;
  bool session_present = false;
  std::optional<absl::Time> token_expiry;
  uint64_t credential = 0;                     // Means nothing here; announced with the session.
  absl::Duration hold = absl::ZeroDuration();  // Of a refusal: how long the device hears nothing of it.
};

// Owned by one event loop and only touched by its thread. Every call gets the Turn in which it happens; afterwards the
// loop sends what was appended to `turn.output`, looks at is_closed() and at NextDeadline().
class Connection {
 public:
  // kRefused: it is, and will be told so when the hold is over.
  enum class State : uint8_t { kAwaitingConnect, kAuthenticating, kRefused, kConnected, kClosed };

  // `limits` must outlive the connection. `now` is when the socket was accepted.
  Connection(const ConnectionLimits& limits, absl::Duration now);

  // Too many connect just now: whatever its CONNECT says, the device hears that the server is busy.
  void RefuseConnect() { is_late_ = true; }
  // From the socket.
  void OnBytes(std::string_view bytes, Turn& turn);
  // The socket takes no more: a backlog has come about. And: the backlog is written.
  void OnBlocked(Turn& turn);
  void OnDrained(Turn& turn);
  // NextDeadline() has passed, or not: checks every deadline.
  void OnTimer(Turn& turn);

  // From device_connection.
  void OnOpenResult(const OpenResult& result, Turn& turn);
  void OnSubscriptionsSaved(Subscriptions saved, bool failed, int64_t desired_version, Turn& turn);
  void OnMethodCall(const MethodCall& call, Turn& turn);
  // The answer that was reported as one that waits is taken: its PUBACK may go.
  void OnAnswerTaken(uint64_t call_id, Turn& turn);
  void OnTwinRead(std::string_view request_id, int status, std::string_view document, int64_t desired_version,
                  Turn& turn);
  void OnReportedPatched(std::string_view request_id, int status, int64_t version, std::string_view error, Turn& turn);
  void OnDesiredChange(int64_t epoch, int64_t version, std::string_view patch, Turn& turn);
  // `reason`: what a device of level 5 is told.
  void OnDisconnectOrder(int64_t epoch, Turn& turn, mqtt::ReasonCode reason = mqtt::ReasonCode::kSessionTakenOver);
  void OnLinkLost(LinkIndex link, Turn& turn);
  void OnLinkAttached(Turn& turn);

  // From the telemetry sink: the next `count` messages that wait are delivered; and, after SinkAnswer::kTakenLast, that
  // there is room for more.
  void OnTelemetryDelivered(size_t count, Turn& turn);
  void OnTelemetryRoom(Turn& turn);

  // Ends the connection, because the socket is lost or the edge goes down: reports unanswered calls and the end of the
  // session. Nothing happens if it ended before.
  void Close(CloseReason reason, Turn& turn) { CloseWith(reason, ReasonOf(reason), turn); }

  // The edge goes down: ends the connection as soon as nothing is under way on it, which may be now. Until then it
  // works as before. A device that is just being checked is refused, as one that may try again.
  void Leave(Turn& turn);
  // Ends it if it is to leave and has nothing under way (any more); call after every other call.
  void LeaveIfDone(Turn& turn) {
    if (is_leaving_ && !is_busy()) Close(CloseReason::kDraining, turn);
  }

  State state() const { return state_; }
  bool is_closed() const { return state_ == State::kClosed; }
  CloseReason close_reason() const { return close_reason_; }
  // False: leave further bytes in the socket for now, the device has to wait.
  bool wants_read() const;
  // True: that is because the device sends more than it may, and passes by itself.
  bool is_throttled() const { return read_again_at_ != absl::InfiniteDuration(); }
  // Bytes that are kept for later.
  size_t buffered_bytes() const;
  // The next time OnTimer must be called; never later than a deadline, often earlier.
  absl::Duration NextDeadline() const;

  // Of a module `device/module`.
  const std::string& device_id() const { return device_id_; }
  int64_t epoch() const { return epoch_; }
  Subscriptions subscriptions() const { return subscriptions_; }
  absl::Time connect_time() const { return connect_time_; }
  uint64_t credential() const { return credential_; }
  LinkIndex link() const { return link_; }
  // Whether calls are unanswered, PUBACKs wait for what was published, or the device waits for an answer of ours.
  bool is_busy() const {
    return !calls_.empty() || !queued_calls_.empty() || !pubacks_.empty() || !twin_requests_.empty() || !acks_.empty();
  }

 private:
  // A call that was written and not answered.
  struct PendingCall {
    uint64_t call_id;
    absl::Time answer_deadline;
    LinkIndex link;
  };

  // A call that waits for the backlog to drain.
  struct QueuedCall {
    MethodCall call;          // Its views are void; the texts follow.
    absl::Duration deadline;  // The permit's end on the monotonic clock.
    std::string method;
    std::string payload;
    std::string traceparent;
  };

  // A twin request that waits for the hub.
  struct TwinRequest {
    enum class Kind : uint8_t { kRead, kPatch, kCatchUp };
    Kind kind;
    bool is_sent;        // To link_; else it waits for a link, or for its turn.
    int64_t if_version;  // Of kPatch.
    absl::Duration due;  // Not to be sent before; the past when it is.
    absl::Duration deadline;
    std::string request_id;
    std::string patch;  // Of kPatch, until it is sent.
    // At level 5, from the request into the answer; empty when it had none.
    std::string response_topic = {};
    std::string correlation_data = {};
    std::string traceparent = {};
  };

  // A SUBSCRIBE or UNSUBSCRIBE that waits until the new set is registered.
  struct PendingAck {
    uint16_t packet_id;
    bool is_unsubscribe;
    absl::InlinedVector<uint8_t, 8> codes;  // Of UNSUBACK only at level 5.
  };

  void ReadPackets(std::string_view bytes, Turn& turn);
  // Takes packets off the front of `bytes` while the connection wants any; how many.
  int ReadWanted(std::string_view* bytes, Turn& turn);
  // What came is not MQTT, or not the part of it that is taken.
  void EndViolation(Turn& turn);
  void HandlePacket(const mqtt::Packet& packet, Turn& turn);
  // Goes on with the bytes that were held back, if the connection can take packets again.
  void ReadHeld(Turn& turn);
  void HandleDisconnect(const mqtt::Disconnect& disconnect, Turn& turn);
  // Close, with the reason that a device of level 5 is told.
  void CloseWith(CloseReason reason, mqtt::ReasonCode code, Turn& turn);

  // connection_connect.cc
  void HandleConnect(const mqtt::Connect& connect, Turn& turn);
  void Refuse(mqtt::ConnectCode code, Turn& turn);
  void RefuseBusy(Turn& turn);
  void Accept(const OpenResult& result, Turn& turn);
  void ExpectTokenEnd(absl::Time expiry, Turn& turn);

  // connection_limits.cc
  // Takes what is over the limits out of the device's time: reading pauses for so long.
  void Throttle(absl::Duration wait, Limited limit, Turn& turn);
  void MeterBytes(size_t bytes, Turn& turn);
  void MeterMessage(Turn& turn);
  // False, and the connection has ended, when it is one too many.
  bool TrySubscribe(Turn& turn);
  // False when the request would have to wait too long: it is answered.
  bool TryTwinRequest(TwinRequest& request, Turn& turn);
  bool HasRoomForTwinRequests() const;

  // connection_level5.cc
  bool is_level5() const { return level5_ != nullptr; }
  // For how long the session is kept after the connection; 0 = for ever, or not at all.
  uint32_t session_expiry_seconds() const { return is_level5() ? level5_->session_expiry_seconds : 0; }
  uint8_t level() const { return is_level5() ? mqtt::kLevel5 : mqtt::kLevel311; }
  void RefuseWith(CloseReason reason, mqtt::ReasonCode code, Turn& turn);
  void SayDisconnect(CloseReason reason, mqtt::ReasonCode code, Turn& turn);
  // False when what stands in the output from `begin` on is larger than the device takes: it is taken out and counted.
  bool FitsDevice(size_t begin, Turn& turn);
  void HandleAuth(const mqtt::Auth& auth, Turn& turn);
  void SendRenewal(Turn& turn);
  void OnRenewalResult(const OpenResult& result, Turn& turn);

  // connection_publish.cc
  void HandlePublish(const mqtt::Publish& publish, Turn& turn);
  // What may not be published at all, whatever the topic; also finds the topic behind an alias.
  mqtt::ReasonCode CheckPublish(const mqtt::Publish& publish, std::string_view* topic);
  void RefusePublish(const mqtt::Publish& publish, mqtt::ReasonCode code, Turn& turn);
  void HandleAnswer(const mqtt::DeviceTopic& topic, const mqtt::Publish& publish, Turn& turn);
  // The call that this answers, ended by it; or none, and why is counted.
  std::optional<PendingCall> EndAnsweredCall(const mqtt::DeviceTopic& topic, std::string_view payload, Turn& turn);
  // The PUBACK of a packet that nothing waits for: at once, or in its turn.
  void SendPuback(uint16_t packet_id, Turn& turn, mqtt::ReasonCode reason = mqtt::ReasonCode::kSuccess);
  void WritePubacks(Turn& turn);
  void ExpirePubacks(Turn& turn);
  void HandleTwinRequest(const mqtt::DeviceTopic& topic, const mqtt::Publish& publish, Turn& turn);
  void AddTwinRequest(TwinRequest request, Turn& turn);
  // Those whose turn it is.
  void SendTwinRequests(Turn& turn);
  void SendTwinRequest(TwinRequest& request, Turn& turn);
  std::vector<TwinRequest>::iterator FindTwinRequest(TwinRequest::Kind kind, std::string_view request_id);
  void AnswerTwin(const TwinRequest& request, int status, std::optional<int64_t> version, std::string_view document,
                  Turn& turn);
  void AnswerTwinError(const TwinRequest& request, int status, std::string_view message, Turn& turn);
  void SendDesired(int64_t version, std::string_view patch, Turn& turn);
  void ExpireTwinRequests(Turn& turn);
  void RequestCatchUp(Turn& turn);
  void OnCatchUpDocument(int status, std::string_view document, int64_t desired_version, Turn& turn);

  // connection_telemetry.cc
  void HandleTelemetry(const mqtt::DeviceTopic& topic, const mqtt::Publish& publish, Turn& turn);

  // connection_subscribe.cc
  void HandleSubscribe(const mqtt::Subscribe& subscribe, Turn& turn);
  void HandleUnsubscribe(const mqtt::Unsubscribe& unsubscribe, Turn& turn);
  void RegisterSubscriptions(Turn& turn);
  void SendAcks(size_t count, Turn& turn);
  void ActivateDesired(Subscriptions before, int64_t desired_version, Turn& turn);

  // connection_methods.cc
  void WriteCall(const MethodCall& call, Turn& turn);
  void RefuseCall(const MethodCall& call, CallReport::Reason reason, Turn& turn);
  void WriteQueuedCalls(Turn& turn);
  void ExpireCalls(Turn& turn);
  // Whether this session has written the call, or is about to.
  bool HasSeenCall(uint64_t call_id) const;
  // The call has ended: its id is remembered, so that a repeat is not written.
  void RememberCall(uint64_t call_id);

  // Bounds the backlog; call after each message that was appended to turn.output.
  void CountMessage(Turn& turn);
  // Picks a link if there is none and sends what waits for one.
  void SendWaiting(Turn& turn);
  void ExtendKeepAlive(absl::Duration now);

  const ConnectionLimits& limits_;
  mqtt::PacketReader reader_;
  State state_ = State::kAwaitingConnect;
  CloseReason close_reason_ = CloseReason::kNone;
  bool clean_session_ = false;
  bool is_durable_ = true;  // The session outlives the connection.
  bool has_will_ = false;
  bool is_late_ = false;                                               // RefuseConnect.
  mqtt::ConnectCode refusal_ = mqtt::ConnectCode::kServerUnavailable;  // Of kRefused.
  bool is_leaving_ = false;                                            // Is to end as soon as nothing is under way.
  bool is_saving_ = false;                                             // A ChangeSubscriptions is unanswered.
  bool is_save_lost_ = false;  // One was lost with its link: what is registered is unknown.
  bool awaits_room_ = false;   // The telemetry sink takes no more at the moment.
  uint8_t next_ended_call_ = 0;
  uint16_t backlog_messages_ = 0;    // Appended since the socket stopped to take bytes.
  Subscriptions subscriptions_ = 0;  // Registered.
  Subscriptions wanted_ = 0;         // What the device asked for last.
  Subscriptions saving_ = 0;         // What the unanswered ChangeSubscriptions says.
  LinkIndex link_ = kNoLink;
  int64_t epoch_ = 0;
  uint64_t credential_ = 0;
  int64_t fenced_epoch_ = 0;  // Orders to disconnect that came before the result of the CONNECT.
  std::string device_id_;
  absl::Time connect_time_;
  DesiredFeed desired_;
  std::unique_ptr<Level5> level5_;

  absl::Duration connect_deadline_;  // While awaiting CONNECT, its check, or the end of a hold.
  absl::Duration keep_alive_ = absl::InfiniteDuration();
  absl::Duration keep_alive_deadline_ = absl::InfiniteDuration();
  absl::Duration token_deadline_ = absl::InfiniteDuration();
  absl::Duration save_deadline_ = absl::InfiniteDuration();
  absl::Duration drain_deadline_ = absl::InfiniteDuration();

  absl::Duration read_again_at_ = absl::InfiniteDuration();  // While is_throttled.
  RateMeter messages_;
  RateMeter bytes_;
  RateMeter twins_;
  RateMeter subscribes_;

  std::string held_;  // Bytes that came while !wants_read().
  Pubacks pubacks_;
  std::vector<PendingCall> calls_;
  std::vector<QueuedCall> queued_calls_;
  std::vector<uint64_t> ended_calls_;  // A ring: the next to be replaced is at next_ended_call_.
  std::vector<TwinRequest> twin_requests_;
  std::vector<PendingAck> acks_;
  size_t acks_saving_ = 0;  // How many of them the unanswered ChangeSubscriptions covers.
};

}  // namespace fleetcast::mqtt_edge
