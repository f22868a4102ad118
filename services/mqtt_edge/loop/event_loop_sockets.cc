// The sockets of a loop: accepting, handshakes, reading, writing what waits.
#include <sys/epoll.h>

#include <algorithm>
#include <string>
#include <utility>

#include "services/mqtt_edge/loop/event_loop.h"
#include "services/mqtt_edge/loop/event_loop_internal.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr int kReadsPerTurn = 4;  // From one socket: nobody else waits long.

// How a WebSocket is told that the connection above it has ended.
websocket::CloseCode WebSocketCodeOf(CloseReason reason) {
  switch (reason) {
    case CloseReason::kDisconnect:
    case CloseReason::kPeerGone: return websocket::CloseCode::kNormal;
    case CloseReason::kDraining:
    case CloseReason::kUnavailable: return websocket::CloseCode::kGoingAway;
    default: return websocket::CloseCode::kPolicyViolation;
  }
}

}  // namespace

void EventLoop::AcceptFrom(Listener& listener) {
  for (int i = 0; i < kAcceptsPerTurn && !listener.is_paused; ++i) {
    const absl::Duration now = clock_.Monotonic();
    // What is not accepted waits in the kernel, which costs nothing and tells the devices nothing.
    const absl::Duration wait = UntilAccepting(now);
    if (wait > absl::ZeroDuration()) return PauseAccepting(now + wait);
    PeerAddress peer;
    absl::StatusOr<Fd> fd = Accept(listener.fd, &peer);
    if (absl::IsResourceExhausted(fd.status())) return PauseAccepting(now + kAcceptPause);
    if (!fd.ok()) return;
    connects_.Take(options_.connects, now);
    metrics_.accepted.Add();
    // Who comes through a proxy is judged when its header is read.
    if (options_.proxy_protocol[IndexOf(listener.kind)] ? !IsProxy(peer) : !TrySource(peer)) {
      CloseWithReset(*std::move(fd));
      continue;
    }
    AddClient(*std::move(fd), peer, listener.kind);
  }
}

bool EventLoop::IsProxy(const PeerAddress& peer) const {
  const auto contains = [&](const AddressRange& range) { return range.Contains(peer); };
  if (options_.proxies.empty() || std::any_of(options_.proxies.begin(), options_.proxies.end(), contains)) return true;
  metrics_.proxy_headers_refused.Add();
  return false;
}

bool EventLoop::TrySource(const PeerAddress& peer) {
  if (sources_.TryTake(SourceOf(peer), clock_.Monotonic())) return true;
  metrics_.source_refused.Add();
  return false;
}

void EventLoop::PauseAccepting(absl::Duration until) {
  accept_again_at_ = until;
  metrics_.accept_paused.Add();
  for (Listener& listener : listeners_) {
    if (listener.fd.get() < 0 || listener.is_paused) continue;
    listener.is_paused = true;
    epoll_event event{.events = 0, .data = {.u64 = kListenerTokens + IndexOf(listener.kind)}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener.fd.get(), &event);
  }
}

void EventLoop::ResumeAccepting() {
  accept_again_at_ = absl::InfiniteDuration();
  for (Listener& listener : listeners_) {
    if (listener.fd.get() < 0 || !listener.is_paused) continue;
    listener.is_paused = false;
    epoll_event event{.events = EPOLLIN, .data = {.u64 = kListenerTokens + IndexOf(listener.kind)}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener.fd.get(), &event);
  }
}

void EventLoop::AddClient(Fd fd, const PeerAddress& peer, ListenerKind kind) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(clients_.size()));
    clients_.emplace_back();
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  const SessionId session = MakeSessionId(next_serial_++, slot, index_);
  const std::shared_ptr<const TlsContext> tls = HasTls(kind) ? tls_->Current() : nullptr;  // OpenSSL keeps it as well.
  clients_[slot] =
      std::make_unique<Client>(session, std::move(fd), kind, tls.get(), peer, options_, clock_.Monotonic());
  Client& client = *clients_[slot];
  client.interest = EPOLLIN | EPOLLRDHUP;
  ++totals_.connections;
  metrics_.connections.Add();
  epoll_event event{.events = client.interest, .data = {.u64 = session}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, client.socket.fd(), &event) != 0) return Remove(client);
  Settle(client);
}

void EventLoop::Watch(Client& client, uint32_t interest) {
  if (interest == client.interest) return;
  client.interest = interest;
  epoll_event event{.events = interest, .data = {.u64 = client.session}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, client.socket.fd(), &event);
}

bool EventLoop::MayRead(const Client& client) const {
  if (client.admission == Admission::kWaiting) return false;
  const bool is_greedy = client.buffered_bytes > BufferBudget::kFairBytes;
  if (is_greedy && pressure_ != BufferBudget::Pressure::kNone) return false;
  // A device that does not take its answers gets no more questions read.
  return client.backlog.empty() && client.connection.wants_read();
}

void EventLoop::PauseReading(Client& client) {
  client.is_read_paused = true;
  const uint32_t unwatched = client.connection.is_throttled() ? EPOLLIN | EPOLLRDHUP : EPOLLIN;
  Watch(client, client.interest & ~unwatched);
}

void EventLoop::Resume(Client& client) {
  if (!client.is_read_paused || !MayRead(client)) return;
  client.is_read_paused = false;
  Watch(client, client.interest | EPOLLIN | EPOLLRDHUP);
  ready_.push_back(client.session);
}

void EventLoop::HandleSocket(Client& client, uint32_t events) {
  if (client.proxy_header != nullptr) return ReadProxyHeader(client);
  if (client.socket.is_handshaking()) return Handshake(client);
  const SessionId session = client.session;
  if ((events & EPOLLOUT) != 0) {
    FlushBacklog(client);
    if (Find(session) == nullptr) return;
  }
  constexpr uint32_t kGone = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((events & kGone) != 0 && !MayRead(client)) {
    // Who has sent too much and left is read to the end all the same, more slowly.
    const bool is_read_later = client.connection.is_throttled() && (events & (EPOLLHUP | EPOLLERR)) == 0;
    return is_read_later ? PauseReading(client) : Lose(client, CloseReason::kPeerGone);
  }
  if ((events & (EPOLLIN | kGone)) != 0) ReadFrom(client);
}

void EventLoop::ReadProxyHeader(Client& client) {
  ProxyHeaderReader& reader = *client.proxy_header;
  while (reader.state() == ProxyHeaderReader::State::kNeedMore) {
    size_t count = 0;
    const Socket::Progress progress = client.socket.ReadRaw(read_buffer_.get(), reader.wanted(), &count);
    if (progress == Socket::Progress::kWantRead) return;
    if (progress == Socket::Progress::kClosed) return Lose(client, CloseReason::kPeerGone);
    reader.Add({read_buffer_.get(), count});
  }
  if (reader.state() == ProxyHeaderReader::State::kRefused) {
    metrics_.proxy_headers_refused.Add();
    return Lose(client, CloseReason::kProxyHeader);
  }
  client.peer = reader.source().value_or(client.peer);
  client.proxy_header.reset();
  if (!TrySource(client.peer)) return Lose(client, CloseReason::kSourceLimit);
}

void EventLoop::Handshake(Client& client) {
  switch (client.socket.Handshake()) {
    case Socket::Progress::kWantRead: return Watch(client, EPOLLIN | EPOLLRDHUP);
    case Socket::Progress::kWantWrite: return Watch(client, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    case Socket::Progress::kClosed: metrics_.handshake_failures.Add(); return Lose(client, CloseReason::kHandshake);
    case Socket::Progress::kDone: break;
  }
  metrics_.handshakes.Add();
  if (client.socket.was_resumed()) metrics_.handshakes_resumed.Add();
  Watch(client, EPOLLIN | EPOLLRDHUP);
  if (client.socket.HasPending()) ReadFrom(client);  // The CONNECT came with the end of the handshake.
}

void EventLoop::ReadFrom(Client& client) {
  if (!Admit(client)) return;
  const SessionId session = client.session;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    if (!MayRead(client)) return PauseReading(client);
    size_t count = 0;
    const Socket::Progress progress = client.socket.Read(read_buffer_.get(), kReadBytes, &count);
    if (progress == Socket::Progress::kWantRead || progress == Socket::Progress::kWantWrite) return;
    if (progress == Socket::Progress::kClosed) {
      return Lose(client, CloseReason::kPeerGone);
    }
    NoteActivity(client);
    With(client, [&](Connection&, Turn& turn) { Receive(client, read_buffer_.get(), count, turn); });
    if (Find(session) == nullptr) return;
    if (count < kReadBytes && !client.socket.HasPending()) return;
  }
  if (client.socket.HasPending()) ready_.push_back(session);
}

void EventLoop::Receive(Client& client, char* bytes, size_t size, Turn& turn) {
  if (client.web_socket == nullptr) return client.connection.OnBytes({bytes, size}, turn);
  websocket::ServerStream& stream = *client.web_socket;
  size_t used = 0;
  if (stream.state() == websocket::ServerStream::State::kUpgrading) {
    used = stream.Upgrade({bytes, size}, &output_);
    output_unframed_ = output_.size();
    CountUpgrade(stream);
  }
  const std::string_view payload = stream.Receive(bytes + used, size - used, &answers_);
  if (!payload.empty()) client.connection.OnBytes(payload, turn);
  if (stream.state() != websocket::ServerStream::State::kClosed) return;
  if (stream.http_status() != 101) return client.connection.Close(CloseReason::kUpgradeRefused, turn);
  if (stream.violation() == websocket::Violation::kNone) return client.connection.Close(CloseReason::kPeerGone, turn);
  metrics_.web_socket_violations[static_cast<size_t>(stream.violation())].Add();
  client.connection.Close(CloseReason::kWebSocket, turn);
}

void EventLoop::CountUpgrade(const websocket::ServerStream& stream) const {
  if (stream.http_status() == 0) return;
  if (stream.http_status() == 101) {
    metrics_.web_socket_upgrades.Add();
  } else {
    metrics_.web_socket_refusals.With({std::to_string(stream.http_status())}).Add();
  }
}

void EventLoop::FrameOutput(Client& client) {
  client.web_socket->Frame(&output_, std::exchange(output_unframed_, 0));
  if (client.connection.is_closed()) {
    client.web_socket->Close(WebSocketCodeOf(client.connection.close_reason()), &answers_);
  }
  output_.append(answers_);
  answers_.clear();
}

void EventLoop::NoteActivity(Client& client) {
  if (client.is_active || client.connection.state() != Connection::State::kConnected) return;
  if (clock_.Monotonic() < client.activity_again_at) return;
  client.is_active = true;
  active_.push_back(client.session);
}

void EventLoop::FlushBacklog(Client& client) {
  size_t written = 0;
  Socket::Progress progress = Socket::Progress::kDone;
  while (written < client.backlog.size() && progress == Socket::Progress::kDone) {
    size_t count = 0;
    progress = client.socket.Write(std::string_view(client.backlog).substr(written), &count);
    written += count;
  }
  if (progress == Socket::Progress::kClosed) {
    return Lose(client, CloseReason::kPeerGone);
  }
  client.backlog.erase(0, written);
  metrics_.backlog_bytes.Add(-static_cast<double>(written));
  CountBuffers(client);
  if (!client.backlog.empty()) return;
  std::string().swap(client.backlog);
  With(client, [](Connection& connection, Turn& turn) { connection.OnDrained(turn); });
}

}  // namespace fleetcast::mqtt_edge
