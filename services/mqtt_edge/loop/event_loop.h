// One thread with the sockets of its devices. A connection belongs to one loop for life, so nothing here takes a lock
// but the inbox through which frames of device_connection arrive.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/rate_limit.h"
#include "libs/mqtt/codec.h"
#include "libs/websocket/server_stream.h"
#include "services/mqtt_edge/connection/connection.h"
#include "services/mqtt_edge/connection/session_id.h"
#include "services/mqtt_edge/edge_metrics.h"
#include "services/mqtt_edge/link/hub_link.h"
#include "services/mqtt_edge/link/link_outbox.h"
#include "services/mqtt_edge/loop/buffer_budget.h"
#include "services/mqtt_edge/loop/drain_schedule.h"
#include "services/mqtt_edge/loop/timer_wheel.h"
#include "services/mqtt_edge/sink/telemetry_outbox.h"
#include "services/mqtt_edge/sink/telemetry_sink.h"
#include "services/mqtt_edge/transport/address_range.h"
#include "services/mqtt_edge/transport/connect_limits.h"
#include "services/mqtt_edge/transport/listener_kind.h"
#include "services/mqtt_edge/transport/proxy_header.h"
#include "services/mqtt_edge/transport/socket.h"
#include "services/mqtt_edge/transport/tls_store.h"

struct epoll_event;

namespace fleetcast::internal::v1 {
class EdgeStatus;
}  // namespace fleetcast::internal::v1

namespace fleetcast::mqtt_edge {

// What all loops of a process share.
struct LoopOptions {
  ConnectionLimits connection;
  absl::Duration handshake_timeout = absl::Seconds(20);  // D-TLS-7
  // How often device_connection is told that a session received something, at most. The time of a device's last
  // activity is that much too early at worst.
  absl::Duration activity_interval = absl::Minutes(1);
  Rate connects;                                    // Of one loop, before the handshake.
  Rate connects_per_source;                         // Of one loop.
  ConnectAdmission::Limits admission;               // Of one loop, after the handshake.
  Rate refusals_per_source;                         // Of one loop, that are told at once.
  int64_t buffer_bytes_max = 256 << 20;             // Of the process; 0 = no limit.
  int64_t connections_max = 1'000'000;              // Of the process.
  PerListener<bool> proxy_protocol{};               // Whose connections begin with a PROXY header.
  std::vector<AddressRange> proxies;                // Who may send one; empty = anybody.
  ClientAuthorities* client_authorities = nullptr;  // Whose signature on client certificates counts; null: nobody's.
  TelemetrySink* telemetry_sink = nullptr;          // Null: telemetry is acknowledged and dropped.
  size_t telemetry_bytes_max = 0;                   // Of one loop, as TelemetryOutbox counts them; 0 without a sink.
};

// What the loops of a process count together.
struct LoopTotals {
  std::atomic<int64_t> connections = 0;     // Open ones.
  std::atomic<int64_t> buffered_bytes = 0;  // That wait in their buffers.
};

// The closing of all connections, because the process goes down or an operator wants the edge empty. A later order
// takes the place of an earlier one.
struct DrainOrder {
  DrainPace pace;               // Of one loop.
  absl::Duration accept_until;  // Monotonic: until then new connections are taken, so that load balancers notice.
  absl::Duration call_limit;    // How long a connection whose turn has come stays for the sake of what is under way.
};

class EventLoop final : private Effects {
 public:
  // Messages from other threads that wait for the loop; a full inbox makes the link start over.
  static constexpr size_t kInboxMax = 4096;

  // `tls` may be null (no listener with TLS). All references outlive the loop.
  EventLoop(int index, const LoopOptions& options, const TlsStore* tls, std::vector<HubLink*> links, LoopTotals& totals,
            const EdgeMetrics& metrics, Clock& clock, Random& random);
  ~EventLoop() override;

  // Before Start: listening sockets; an unset one is not served.
  void Serve(PerListener<Fd> listeners);
  void Start();
  // Ends the thread; the sockets close without a word.
  void Stop();

  // From other threads. False when the inbox is full and the frame was dropped.
  bool PostFrame(LinkIndex link, std::shared_ptr<const pb::AttachResponse> frame);
  void PostLinkAttached(LinkIndex link, uint64_t generation);
  void PostLinkLost(LinkIndex link);
  void PostDelivered(TelemetryDelivery delivery);
  // Stop accepting, then close what is open (event_loop_drain.cc).
  void PostDrain(const DrainOrder& order);

 private:
  struct FrameArrived {
    LinkIndex link;
    std::shared_ptr<const pb::AttachResponse> frame;
  };
  struct LinkAttached {
    LinkIndex link;
    uint64_t generation;
  };
  struct LinkLost {
    LinkIndex link;
  };
  using Message = std::variant<FrameArrived, LinkAttached, LinkLost, DrainOrder, TelemetryDelivery>;

  struct Listener {
    Fd fd;
    ListenerKind kind = ListenerKind::kTls;
    bool is_paused = false;
  };

  // Whether what a connection says first is read: who has not been asked for, who waits, and who has been told.
  enum class Admission : uint8_t { kUndecided, kWaiting, kDecided };

  // A connection that waits for its turn.
  struct Waiting {
    absl::Duration until;
    SessionId session;
    bool operator>(const Waiting& other) const { return until > other.until; }
  };

  // A connection with its socket.
  struct Client {
    Client(SessionId session, Fd fd, ListenerKind kind, const TlsContext* tls, const PeerAddress& peer,
           const LoopOptions& options, absl::Duration now)
        : session(session),
          peer(peer),
          socket(std::move(fd), tls),
          connection(options.connection, now),
          activity_again_at(now + options.activity_interval) {
      if (options.proxy_protocol[IndexOf(kind)]) proxy_header = std::make_unique<ProxyHeaderReader>();
      if (is_beginning()) handshake_deadline = now + options.handshake_timeout;
      if (IsWebSocket(kind)) web_socket = std::make_unique<websocket::ServerStream>(kMessageBytesMax);
    }

    // Of a WebSocket: the largest MQTT packet, with its fixed header (D-WS-4).
    static constexpr size_t kMessageBytesMax = mqtt::kConnectRemainingMax + 5;

    // Whether it has still to say who it is, or to agree on TLS: until handshake_deadline.
    bool is_beginning() const { return proxy_header != nullptr || socket.is_handshaking(); }

    const SessionId session;
    PeerAddress peer;  // The proxy's until its header is read.
    Socket socket;
    std::unique_ptr<ProxyHeaderReader> proxy_header;      // While it is read.
    std::unique_ptr<websocket::ServerStream> web_socket;  // Between the two; null where there is none.
    Connection connection;
    std::string backlog;  // What the socket did not take.
    absl::Duration handshake_deadline = absl::InfiniteDuration();
    absl::Duration scheduled = absl::InfiniteDuration();  // When the timer wheel fires.
    absl::Duration activity_again_at;                     // Until then nobody is told of its activity.
    int64_t buffered_bytes = 0;                           // As they were counted last.
    uint32_t interest = 0;                                // Events that epoll watches for.
    Admission admission = Admission::kUndecided;
    bool is_refusal_held = false;  // It is not told yet that it is refused.
    bool is_read_paused = false;
    bool is_active = false;  // Received something that the next heartbeat tells of.
  };

  // Effects of the connection that is being called.
  LinkIndex PickLink(std::string_view device_id) override;
  void OpenSession(LinkIndex link, const OpenRequest& request) override;
  void ChangeSubscriptions(LinkIndex link, Subscriptions subscriptions, bool durable,
                           uint32_t session_expiry_seconds) override;
  void ReadTwin(LinkIndex link, std::string_view request_id, std::string_view traceparent) override;
  void PatchReported(LinkIndex link, std::string_view request_id, std::string_view patch, int64_t if_version,
                     std::string_view traceparent) override;
  void AbandonOpen(LinkIndex link, std::string_view device_id) override;
  void CloseSession(std::string_view device_id, int64_t epoch, std::optional<uint32_t> session_expiry_seconds) override;
  void ReportCall(LinkIndex link, CallReport report) override;
  SinkAnswer PassTelemetry(const TelemetryMessage& message) override;

  // The thread (event_loop.cc).
  void Run(std::stop_token stop);
  int WaitMillis() const;
  void HandleEvents(const epoll_event* events, int count);
  void HandleTimers();
  void Heartbeat();

  // Sockets (event_loop_sockets.cc).
  void AcceptFrom(Listener& listener);
  // How long nothing more is accepted.
  absl::Duration UntilAccepting(absl::Duration now) const;
  void PauseAccepting(absl::Duration until);
  void ResumeAccepting();
  void AddClient(Fd fd, const PeerAddress& peer, ListenerKind kind);
  void HandleSocket(Client& client, uint32_t events);
  // Whether `peer` may speak for others.
  bool IsProxy(const PeerAddress& peer) const;
  void ReadProxyHeader(Client& client);
  // Whether a connection of `peer` may go on. Counts it.
  bool TrySource(const PeerAddress& peer);
  void Handshake(Client& client);
  void ReadFrom(Client& client);
  // Bytes from the socket, which are overwritten, for the connection.
  void Receive(Client& client, char* bytes, size_t size, Turn& turn);
  void CountUpgrade(const websocket::ServerStream& stream) const;
  // Makes what the connection has appended to output_ a frame, and adds what the WebSocket itself has to say.
  void FrameOutput(Client& client);
  // Something was received.
  void NoteActivity(Client& client);
  void FlushBacklog(Client& client);
  void Resume(Client& client);
  bool MayRead(const Client& client) const;
  void PauseReading(Client& client);
  void Watch(Client& client, uint32_t interest);

  // Limits (event_loop_limits.cc).
  // Whether the connection may be read; else it is, when its turn comes.
  bool Admit(Client& client);
  void AdmitThoseWhoWaited();
  // How long the refusal of a connection is kept from it; `wanted`: by device_connection.
  absl::Duration HoldRefusal(Client& client, mqtt::ConnectCode code, absl::Duration wanted);
  void CountBuffers(Client& client);
  void LookAtBuffers();
  void ShedBuffers();

  // Calls `call(connection, turn)` and does what follows from it: sends, closes, schedules. The client may be gone
  // after.
  void With(Client& client, absl::FunctionRef<void(Connection& connection, Turn& turn)> call);
  // Ends the connection.
  void Lose(Client& client, CloseReason reason);
  void SendOutput(Client& client, Turn& turn);
  void Settle(Client& client);
  void Remove(Client& client);
  Client* Find(SessionId session);

  // The end (event_loop_drain.cc).
  void Handle(const DrainOrder& message);
  void StopAccepting();
  void DrainSome();
  // When DrainSome has something to do; infinite without an order.
  absl::Duration NextDrain() const;
  // Writes what device_connection is told of this edge.
  void TellStatus(pb::EdgeStatus* status) const;

  // Frames (event_loop_frames.cc).
  void HandleInbox();
  bool Post(Message message, bool is_bounded);
  void Handle(const FrameArrived& message);
  void Handle(const LinkAttached& message);
  void Handle(const LinkLost& message);
  void HandleOpenResults(LinkIndex link, const pb::AttachResponse& frame);
  void HandleMethodCalls(LinkIndex link, const pb::AttachResponse& frame);
  void HandleSessionChecks(LinkIndex link, const pb::AttachResponse& frame);
  void HandleTwinResults(const pb::AttachResponse& frame);
  void Announce(LinkIndex link);
  void Announce(const Client& client, LinkIndex link);
  void GiveUpOpens(LinkIndex link);

  // Telemetry (event_loop_telemetry.cc).
  void Handle(const TelemetryDelivery& delivery);
  // The end of a turn: lets some go on who were paused, if there is room, and hands over what was gathered.
  void SubmitTelemetry();

  const int index_;
  const LoopOptions& options_;
  const TlsStore* const tls_;
  LoopTotals& totals_;
  const EdgeMetrics& metrics_;
  Clock& clock_;
  Random& random_;

  Fd epoll_;
  Fd wakeup_;
  PerListener<Listener> listeners_;
  absl::Duration accept_again_at_ = absl::InfiniteDuration();
  absl::Duration turn_began_;

  // Limits.
  RateMeter connects_;
  KeyedRateLimit sources_;
  KeyedRateLimit source_refusals_;
  ConnectAdmission admission_;
  std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> waiting_;  // The next in front.
  size_t held_refusals_ = 0;
  BufferBudget budget_;
  BufferBudget::Pressure pressure_ = BufferBudget::Pressure::kNone;
  absl::Duration shed_again_at_;
  int64_t buffered_bytes_ = 0;  // Of this loop.

  std::vector<std::unique_ptr<Client>> clients_;  // By slot.
  std::vector<uint32_t> free_slots_;
  uint32_t next_serial_ = 1;
  std::vector<SessionId> ready_;   // Have bytes to read that epoll does not know of.
  std::vector<SessionId> active_;  // For the next heartbeat.
  TimerWheel wheel_;
  absl::Duration next_heartbeat_;
  std::optional<DrainOrder> drain_;
  absl::Duration next_drain_;                    // Not before; so that closes are made some at a time.
  std::optional<DrainSchedule> drain_schedule_;  // From the moment on at which nothing is accepted any more.
  // Whose turn to go has come while something was under way; in the order of their time limits.
  struct Leaving {
    SessionId session;
    absl::Duration deadline;
  };
  std::deque<Leaving> leaving_;

  std::vector<LinkOutbox> links_;
  TelemetryOutbox telemetry_;
  // Devices whose connection ended while device_connection was still checking them.
  absl::flat_hash_map<SessionId, std::pair<LinkIndex, std::string>> abandoned_;
  Client* current_ = nullptr;   // Whose connection is being called.
  std::string output_;          // Reused: what the connection sends.
  size_t output_unframed_ = 0;  // Where in it MQTT begins, if a WebSocket's answer is before it.
  std::string answers_;         // Reused: what a WebSocket itself sends, behind it.
  std::unique_ptr<char[]> read_buffer_;

  Mutex inbox_mutex_;
  std::vector<Message> inbox_ GUARDED_BY(inbox_mutex_);
  std::vector<Message> taken_;  // Reused: what the loop took from the inbox.
  std::jthread thread_;         // Last: uses all above.
};

}  // namespace fleetcast::mqtt_edge
