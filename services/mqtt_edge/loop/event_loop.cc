#include "services/mqtt_edge/loop/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/base/check.h"
#include "libs/telemetry/log.h"
#include "services/mqtt_edge/loop/event_loop_internal.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr absl::Duration kHeartbeatPeriod = absl::Seconds(3);
constexpr absl::Duration kDrainHeartbeatPeriod = absl::Milliseconds(500);
constexpr int kEventsPerTurn = 512;
constexpr size_t kSourcesMax = 65'536;  // Remembered for each limit, 1 MiB.
constexpr int kHandshakesPerTurn = 8;   // Established connections come first: a handshake costs a millisecond.

int64_t ToTick(absl::Duration time) { return absl::ToInt64Seconds(absl::Ceil(time, absl::Seconds(1))); }

}  // namespace

EventLoop::EventLoop(int index, const LoopOptions& options, const TlsStore* tls, std::vector<HubLink*> links,
                     LoopTotals& totals, const EdgeMetrics& metrics, Clock& clock, Random& random)
    : index_(index),
      options_(options),
      tls_(tls),
      totals_(totals),
      metrics_(metrics),
      clock_(clock),
      random_(random),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wakeup_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      sources_(options.connects_per_source, kSourcesMax, random.Next()),
      source_refusals_(options.refusals_per_source, kSourcesMax, random.Next()),
      admission_(options.admission),
      budget_(options.buffer_bytes_max),
      wheel_(absl::ToInt64Seconds(clock.Monotonic())),
      next_heartbeat_(clock.Monotonic()),
      telemetry_(options.telemetry_bytes_max, metrics),
      read_buffer_(std::make_unique<char[]>(kReadBytes)) {
  FLEETCAST_CHECK(epoll_.get() >= 0 && wakeup_.get() >= 0);
  for (HubLink* link : links) links_.emplace_back(link);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWakeupToken}};
  FLEETCAST_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wakeup_.get(), &event) == 0);
}

EventLoop::~EventLoop() { Stop(); }

void EventLoop::Serve(PerListener<Fd> listeners) {
  for (size_t i = 0; i < kListenerKinds; ++i) {
    listeners_[i] = {std::move(listeners[i]), static_cast<ListenerKind>(i), false};
    if (listeners_[i].fd.get() < 0) continue;
    epoll_event event{.events = EPOLLIN, .data = {.u64 = kListenerTokens + i}};
    FLEETCAST_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listeners_[i].fd.get(), &event) == 0);
  }
}

void EventLoop::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Run(std::move(stop)); });
}

void EventLoop::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wakeup_.get(), &one, sizeof(one));
  thread_.join();
  totals_.connections -= static_cast<int64_t>(clients_.size() - free_slots_.size());
  totals_.buffered_bytes -= std::exchange(buffered_bytes_, 0);
  clients_.clear();
}

void EventLoop::Run(std::stop_token stop) {
  std::array<epoll_event, kEventsPerTurn> events;
  while (!stop.stop_requested()) {
    const int count = std::max(0, epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, WaitMillis()));
    turn_began_ = clock_.Monotonic();
    const bool has_messages = std::any_of(events.data(), events.data() + count,
                                          [](const epoll_event& event) { return event.data.u64 == kWakeupToken; });
    if (has_messages) HandleInbox();
    AdmitThoseWhoWaited();
    LookAtBuffers();
    HandleEvents(events.data(), count);
    HandleTimers();
    const absl::Duration now = clock_.Monotonic();
    for (LinkOutbox& link : links_) link.FlushDue(now);
    SubmitTelemetry();
  }
  for (LinkOutbox& link : links_) link.Flush();
}

int EventLoop::WaitMillis() const {
  if (!ready_.empty() || telemetry_.can_resume()) return 0;
  const absl::Duration now = clock_.Monotonic();
  absl::Duration until = absl::Ceil(now + absl::Nanoseconds(1), absl::Seconds(1));  // The next tick.
  until = std::min({until, accept_again_at_, next_heartbeat_});
  if (!waiting_.empty()) until = std::min(until, waiting_.top().until);
  for (const LinkOutbox& link : links_) until = std::min(until, link.due());
  until = std::min(until, NextDrain());
  return static_cast<int>(std::max<int64_t>(0, absl::ToInt64Milliseconds(until - now) + 1));
}

void EventLoop::HandleEvents(const epoll_event* events, int count) {
  for (const SessionId session : std::exchange(ready_, {})) {
    if (Client* client = Find(session)) HandleSocket(*client, EPOLLIN);
  }
  int handshakes = 0;
  std::array<const epoll_event*, kEventsPerTurn> later;  // Connections that still have to prove anything.
  for (int i = 0; i < count; ++i) {
    const uint64_t token = events[i].data.u64;
    if (token == kWakeupToken || IsListenerToken(token)) continue;
    Client* client = Find(token);
    if (client == nullptr) continue;
    if (client->is_beginning()) {
      later[static_cast<size_t>(handshakes++)] = &events[i];
    } else {
      HandleSocket(*client, events[i].events);
    }
  }
  // What is left over is still readable, so that epoll tells again.
  for (int i = 0; i < std::min(handshakes, kHandshakesPerTurn); ++i) {
    Client* client = Find(later[static_cast<size_t>(i)]->data.u64);
    if (client != nullptr) HandleSocket(*client, later[static_cast<size_t>(i)]->events);
  }
  for (int i = 0; i < count; ++i) {
    const uint64_t token = events[i].data.u64;
    if (IsListenerToken(token)) AcceptFrom(listeners_[token - kListenerTokens]);
  }
}

void EventLoop::HandleTimers() {
  const absl::Duration now = clock_.Monotonic();
  if (now >= accept_again_at_) ResumeAccepting();
  if (now >= next_heartbeat_) Heartbeat();
  if (now >= NextDrain()) DrainSome();
  std::vector<uint32_t> fired;
  wheel_.Advance(absl::ToInt64Seconds(now), &fired);
  for (const uint32_t slot : fired) {
    Client& client = *clients_[slot];
    client.scheduled = absl::InfiniteDuration();
    if (now >= client.handshake_deadline && client.is_beginning()) {
      metrics_.handshake_failures.Add();
      Lose(client, CloseReason::kHandshake);
    } else {
      With(client, [](Connection& connection, Turn& turn) { connection.OnTimer(turn); });
    }
  }
}

void EventLoop::Heartbeat() {
  // While the edge empties somebody may watch.
  next_heartbeat_ = clock_.Monotonic() + (drain_.has_value() ? kDrainHeartbeatPeriod : kHeartbeatPeriod);
  if (index_ == 0) {
    for (LinkOutbox& link : links_) {
      if (!link.is_attached()) continue;
      link.frame().set_heartbeat(true);
      TellStatus(link.frame().mutable_status());
      link.Grow(sizeof(pb::EdgeStatus));
    }
  }
  for (const SessionId session : std::exchange(active_, {})) {
    Client* client = Find(session);
    if (client == nullptr) continue;
    client->is_active = false;
    client->activity_again_at = clock_.Monotonic() + options_.activity_interval;
    const LinkIndex link = client->connection.link();
    if (link == kNoLink || !links_[static_cast<size_t>(link)].is_attached()) continue;
    links_[static_cast<size_t>(link)].frame().add_active_session_epochs(client->connection.epoch());
    links_[static_cast<size_t>(link)].Grow(sizeof(int64_t));
  }
}

void EventLoop::With(Client& client, absl::FunctionRef<void(Connection& connection, Turn& turn)> call) {
  current_ = &client;
  Turn turn{.now = clock_.Monotonic(),
            .wall = clock_.Now(),
            .backlog_bytes = client.backlog.size(),
            .output = &output_,
            .effects = this,
            .metrics = &metrics_,
            .random = &random_};
  call(client.connection, turn);
  client.connection.LeaveIfDone(turn);
  SendOutput(client, turn);
  current_ = nullptr;
  Settle(client);
}

void EventLoop::Lose(Client& client, CloseReason reason) {
  With(client, [reason](Connection& connection, Turn& turn) { connection.Close(reason, turn); });
}

void EventLoop::SendOutput(Client& client, Turn& turn) {
  if (client.web_socket != nullptr) FrameOutput(client);
  if (output_.empty()) return;
  size_t written = 0;
  if (client.backlog.empty()) {
    // A TLS record holds 16 KiB: a large output takes several writes.
    Socket::Progress progress = Socket::Progress::kDone;
    while (written < output_.size() && progress == Socket::Progress::kDone) {
      size_t count = 0;
      progress = client.socket.Write(std::string_view(output_).substr(written), &count);
      written += count;
    }
    if (progress == Socket::Progress::kClosed) {
      output_.clear();
      client.connection.Close(CloseReason::kPeerGone, turn);
      output_.clear();
      return;
    }
    if (written < output_.size()) client.connection.OnBlocked(turn);
  }
  if (written < output_.size()) {
    client.backlog.append(output_, written);
    metrics_.backlog_bytes.Add(static_cast<double>(output_.size() - written));
  }
  output_.clear();
}

void EventLoop::Settle(Client& client) {
  if (client.connection.is_closed()) return Remove(client);
  CountBuffers(client);
  Watch(client, client.backlog.empty() ? client.interest & ~EPOLLOUT : client.interest | EPOLLOUT);
  Resume(client);
  absl::Duration deadline = client.connection.NextDeadline();
  if (client.is_beginning()) deadline = std::min(deadline, client.handshake_deadline);
  if (deadline < client.scheduled) {
    client.scheduled = deadline;
    wheel_.Schedule(SlotOf(client.session), ToTick(deadline));
  }
}

void EventLoop::Remove(Client& client) {
  FLEETCAST_LOG(kDebug, "connection ended",
                {{"device_id", client.connection.device_id()},
                 {"peer", FormatPeer(client.peer)},
                 {"reason", CloseReasonName(client.connection.close_reason())}});
  const uint32_t slot = SlotOf(client.session);
  metrics_.connections.Add(-1);
  metrics_.backlog_bytes.Add(-static_cast<double>(client.backlog.size()));
  metrics_.buffered_bytes.Add(-static_cast<double>(client.buffered_bytes));
  buffered_bytes_ -= client.buffered_bytes;
  totals_.buffered_bytes -= client.buffered_bytes;
  if (client.is_refusal_held) --held_refusals_;
  wheel_.Cancel(slot);
  clients_[slot].reset();
  free_slots_.push_back(slot);
  --totals_.connections;
}

EventLoop::Client* EventLoop::Find(SessionId session) {
  const uint32_t slot = SlotOf(session);
  if (slot >= clients_.size()) return nullptr;
  Client* client = clients_[slot].get();
  return client != nullptr && client->session == session ? client : nullptr;
}

}  // namespace fleetcast::mqtt_edge
