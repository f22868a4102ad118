#include "tests/sim/sim_edge.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "libs/mqtt/messages.h"
#include "libs/mqtt/topics.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_hub.h"
#include "tests/sim/world.h"

namespace fleetcast::sim {
namespace {

using mqtt_edge::CallReport;
using mqtt_edge::CloseReason;
using mqtt_edge::Connection;
using mqtt_edge::LinkIndex;
using mqtt_edge::Turn;

constexpr absl::Duration kTick = absl::Seconds(1);  // As the wheel of the real loop.
constexpr int kHeartbeatTicks = 3;
constexpr absl::Duration kClosedKept = absl::Seconds(30);

size_t HashOf(std::string_view text) {
  size_t hash = 1469598103934665603u;
  for (const char c : text) hash = (hash ^ static_cast<size_t>(c)) * 1099511628211u;
  return hash;
}

}  // namespace

SimEdge::SimEdge(World& world, int index) : Process(world.universe(), "edge", index), world_(world) {}
SimEdge::~SimEdge() = default;

void SimEdge::AddHubs() {
  for (int to = 0; to < world_.options().hubs; ++to) {
    SimHub& hub = world_.hub(to);
    dialers_.push_back(std::make_unique<Dialer>(
        universe_, *this, hub,
        [this, &hub](const std::shared_ptr<Stream>& stream) {
          hub.AcceptEdge(*this, {absl::StrFormat("edge-%d", index()), absl::StrFormat("%016x%016x", index(), life())},
                         stream);
        },
        [](const std::shared_ptr<Stream>&) {}, [this, to] { OnLinkLost(static_cast<size_t>(to)); }));
  }
}

void SimEdge::OnStart() {
  for (const auto& dialer : dialers_) {
    links_.push_back(std::make_unique<Link>());
    dialer->Dial();
  }
  After(kTick, [this] { Tick(); });
}

void SimEdge::OnKill() {
  for (const auto& dialer : dialers_) dialer->Drop(true);
  for (const auto& [session, client] : clients_) {
    client->stream->Close(Side::kServer, true);
    world_.history().connections.at(client->connection).ended = universe_.queue.now();
  }
  links_.clear();
  clients_.clear();
  overheard_.clear();
  abandoned_.clear();
}

SimEdge::Client* SimEdge::Find(const Stream* stream) {
  for (const auto& [session, client] : clients_) {
    if (client->stream.get() == stream) return client.get();
  }
  return nullptr;
}

SimEdge::Client* SimEdge::FindSession(uint64_t session) {
  const auto found = clients_.find(session);
  return found == clients_.end() ? nullptr : found->second.get();
}

int64_t SimEdge::EpochOf(int device) const {
  int64_t epoch = 0;
  for (const auto& [session, client] : clients_) {
    if (client->device == device && client->protocol->state() == Connection::State::kConnected) {
      epoch = std::max(epoch, client->protocol->epoch());
    }
  }
  return epoch;
}

void SimEdge::AcceptDevice(int device, uint64_t connection, const std::shared_ptr<Stream>& stream) {
  const uint64_t session = ++last_session_;
  auto client = std::make_unique<Client>();
  client->session = session;
  client->connection = connection;
  client->device = device;
  client->stream = stream;
  client->protocol = std::make_unique<Connection>(limits_, clock().Monotonic());
  clients_[session] = std::move(client);
  stream->OnDown(Side::kServer, [this, session] {
    if (Client* gone = FindSession(session)) {
      With(*gone, [](Connection& protocol, Turn& turn) { protocol.Close(CloseReason::kPeerGone, turn); });
      Flush();
    }
  });
}

void SimEdge::OnBytes(const Stream* stream, const std::string& bytes) {
  Client* client = Find(stream);
  if (client == nullptr) return;
  if (overhears()) Overhear(*client, bytes);
  With(*client, [&](Connection& protocol, Turn& turn) { protocol.OnBytes(bytes, turn); });
  Flush();
}

void SimEdge::BlockSocket(size_t nth, absl::Duration duration) {
  if (clients_.empty()) return;
  const auto chosen = std::next(clients_.begin(), static_cast<std::ptrdiff_t>(nth % clients_.size()));
  chosen->second->blocked_until = universe_.queue.now() + duration;
  universe_.Note("a socket is blocked", kNoJob, chosen->second->device,
                 static_cast<int64_t>(chosen->second->connection), absl::ToInt64Milliseconds(duration));
  After(duration, [this, session = chosen->first] {
    Client* client = FindSession(session);
    if (client == nullptr || client->backlog.empty() || client->blocked_until > universe_.queue.now()) return;
    client->stream->Send(Side::kServer, [device = &world_.device(client->device), raw = client->stream.get(),
                                         bytes = std::exchange(client->backlog, {})] { device->OnBytes(raw, bytes); });
    With(*client, [](Connection& protocol, Turn& turn) { protocol.OnDrained(turn); });
    Flush();
  });
}

template <typename Event>
void SimEdge::With(Client& client, Event event) {
  std::string output;
  Turn turn{.now = clock().Monotonic(),
            .wall = clock().Now(),
            .backlog_bytes = client.backlog.size(),
            .output = &output,
            .effects = this,
            .metrics = &world_.metrics().edge,
            .random = &universe_.random};
  current_ = &client;
  event(*client.protocol, turn);
  if (!output.empty()) {
    const bool is_blocked = client.blocked_until > universe_.queue.now();
    if (!client.backlog.empty() || is_blocked) {
      if (client.backlog.empty()) client.protocol->OnBlocked(turn);
      client.backlog += output;
    } else {
      client.stream->Send(Side::kServer, [device = &world_.device(client.device), raw = client.stream.get(), output] {
        device->OnBytes(raw, output);
      });
    }
  }
  current_ = nullptr;
  if (!client.protocol->is_closed()) return;
  world_.OnConnectionEnded(client.connection, static_cast<int>(client.protocol->close_reason()));
  client.stream->Close(Side::kServer);
  clients_.erase(client.session);
}

void SimEdge::Tick() {
  ++ticks_;
  std::vector<uint64_t> due;
  for (const auto& [session, client] : clients_) {
    if (client->protocol->NextDeadline() <= clock().Monotonic()) due.push_back(session);
  }
  for (const uint64_t session : due) {
    With(*clients_.at(session), [](Connection& protocol, Turn& turn) { protocol.OnTimer(turn); });
  }
  if (ticks_ % kHeartbeatTicks == 0) {
    for (const auto& link : links_) link->frame.is_heartbeat = true;
  }
  Flush();
  After(kTick, [this] { Tick(); });
}

void SimEdge::Flush() {
  for (size_t to = 0; to < links_.size(); ++to) {
    Link& link = *links_[to];
    for (CallReport& report : std::exchange(link.gathered, {})) link.reports.Append(std::move(report));
    if (!link.is_attached) {
      link.frame = {};
      continue;
    }
    for (const auto* entry : link.reports.TakeUnsent(2'000, 1 << 20)) link.frame.reports.push_back(*entry);
    if (link.frame.empty()) continue;
    SimHub& hub = world_.hub(static_cast<int>(to));
    dialers_[to]->Send([&hub, stream = dialers_[to]->stream(), frame = std::exchange(link.frame, {})] {
      hub.OnFrame(stream.get(), frame);
    });
  }
}

void SimEdge::OnHello(size_t to) {
  Link& link = *links_[to];
  link.reports.Rewind();
  link.is_attached = true;
  link.frame = {};
  Flush();  // Reports come first.
  for (const auto& [time, closed] : link.closed) link.frame.closed.push_back(closed);
  for (const auto& [session, client] : clients_) {
    const Connection& protocol = *client->protocol;
    if (protocol.state() != Connection::State::kConnected) continue;
    link.frame.live.push_back({session, protocol.device_id(), protocol.epoch(), protocol.subscriptions(),
                               absl::ToUnixMicros(protocol.connect_time())});
  }
  std::vector<uint64_t> sessions;
  for (const auto& [session, client] : clients_) sessions.push_back(session);
  for (const uint64_t session : sessions) {
    With(*clients_.at(session), [](Connection& protocol, Turn& turn) { protocol.OnLinkAttached(turn); });
  }
}

void SimEdge::OnLinkLost(size_t to) {
  Link& link = *links_[to];
  if (!std::exchange(link.is_attached, false)) return;
  link.frame = {};
  GiveUpOpens(to);
  std::vector<uint64_t> sessions;
  for (const auto& [session, client] : clients_) sessions.push_back(session);
  for (const uint64_t session : sessions) {
    With(*clients_.at(session),
         [to](Connection& protocol, Turn& turn) { protocol.OnLinkLost(static_cast<LinkIndex>(to), turn); });
  }
  Flush();
}

void SimEdge::GiveUpOpens(size_t to) {
  const auto give_up = [this](uint64_t session, const std::string& device_id) {
    for (size_t link = 0; link < links_.size(); ++link) CloseAt(link, session, device_id, 0);
  };
  for (const auto& [session, client] : clients_) {
    const Connection& protocol = *client->protocol;
    if (protocol.state() != Connection::State::kAuthenticating) continue;
    if (protocol.link() == static_cast<LinkIndex>(to)) give_up(session, protocol.device_id());
  }
  std::erase_if(abandoned_, [&](const auto& entry) {
    if (entry.second.first != to) return false;
    give_up(entry.first, entry.second.second);
    return true;
  });
}

void SimEdge::OnFrame(const Stream* stream, const HubFrame& frame) {
  size_t to = 0;
  while (to < dialers_.size() && dialers_[to]->stream().get() != stream) ++to;
  if (to == dialers_.size()) return;
  if (frame.is_hello) OnHello(to);
  if (frame.acknowledged > 0) links_[to]->reports.Acknowledge(frame.acknowledged);
  for (const HubFrame::Opened& opened : frame.opened) OnOpened(to, opened);
  for (const HubFrame::Saved& saved : frame.saved) {
    if (Client* client = FindSession(saved.session)) {
      With(*client, [&](Connection& protocol, Turn& turn) {
        protocol.OnSubscriptionsSaved(saved.subscriptions, saved.is_failed, 0, turn);
      });
    }
  }
  for (const HubFrame::Call& call : frame.calls) OnCall(to, call);
  for (const HubFrame::Disconnect& order : frame.disconnects) {
    if (Client* client = FindSession(order.session)) {
      With(*client, [&](Connection& protocol, Turn& turn) { protocol.OnDisconnectOrder(order.epoch, turn); });
    }
  }
  for (const HubFrame::Check& check : frame.checks) {
    if (FindSession(check.session) == nullptr) CloseAt(to, check.session, check.device_id, check.epoch);
  }
  Flush();
}

void SimEdge::OnOpened(size_t link, const HubFrame::Opened& opened) {
  if (Client* client = FindSession(opened.session)) {
    mqtt_edge::OpenResult result{
        .code = opened.is_accepted ? mqtt::ConnectCode::kAccepted : mqtt::ConnectCode::kServerUnavailable,
        .epoch = opened.epoch,
        .subscriptions = opened.subscriptions,
        .session_present = opened.session_present,
        .token_expiry = std::nullopt};
    const bool is_waiting = client->protocol->state() == Connection::State::kAuthenticating;
    if (is_waiting && opened.is_accepted) world_.OnAccepted(client->connection, opened.epoch);
    With(*client, [&](Connection& protocol, Turn& turn) { protocol.OnOpenResult(result, turn); });
    return;
  }
  const auto abandoned = abandoned_.find(opened.session);
  if (abandoned == abandoned_.end()) return;
  if (opened.is_accepted) CloseAt(link, opened.session, abandoned->second.second, opened.epoch);
  abandoned_.erase(abandoned);
}

void SimEdge::OnCall(size_t link, const HubFrame::Call& frame) {
  Client* client = FindSession(frame.session);
  if (client == nullptr) {
    ReportCall(
        static_cast<LinkIndex>(link),
        {.kind = CallReport::Kind::kNotSent, .reason = CallReport::Reason::kStaleRoute, .call_id = frame.call_id});
    return;
  }
  const Mutations& mutations = world_.options().mutations;
  mqtt_edge::MethodCall call{.call_id = frame.call_id,
                             .epoch = frame.epoch,
                             .method = frame.request->method(),
                             .payload = frame.request->payload(),
                             .permit_expire = frame.permit_expire,
                             .answer_deadline = frame.answer_deadline,
                             .link = static_cast<LinkIndex>(link)};
  if (mutations.edge_ignores_permit) call.permit_expire = absl::InfiniteFuture();
  if (overhears()) {
    overheard_[frame.call_id] = {client->device, call.link, frame.epoch, frame.session};
  }
  client->job_of_call.emplace(frame.call_id, JobOfMethod(frame.request->method()));
  With(*client, [&](Connection& protocol, Turn& turn) {
    const size_t before = turn.output->size();
    protocol.OnMethodCall(call, turn);
    if (!mutations.edge_writes_twice || turn.output->size() == before || frame.call_id % 8 != 0) return;
    mqtt::AppendMethodRequest(call.method, call.call_id, call.payload, turn.output);
    world_.OnWritten(JobOfMethod(call.method), client->device, call.call_id, client->connection);
  });
}

bool SimEdge::overhears() const {
  const Mutations& mutations = world_.options().mutations;
  return mutations.edge_takes_any_answer || mutations.edge_takes_anyones_answer;
}

// An answer to a call of another connection, of the same device or of another one, is taken as if it had come there.
void SimEdge::Overhear(Client& client, const std::string& bytes) {
  std::string_view rest = bytes;
  mqtt::Packet packet;
  while (client.eavesdropper.Next(mqtt::kServerLimits, &rest, &packet) == mqtt::PacketReader::Result::kPacket) {
    const auto* publish = std::get_if<mqtt::Publish>(&packet);
    if (publish == nullptr) continue;
    const mqtt::DeviceTopic topic = mqtt::ParseDeviceTopic(publish->topic, world_.DeviceId(client.device));
    if (topic.kind != mqtt::DeviceTopic::Kind::kMethodResponse) continue;
    const std::optional<uint64_t> call_id = mqtt::ParseCallId(topic.request_id);
    const auto call = overheard_.find(call_id.value_or(0));
    if (call == overheard_.end() || call->second.session == client.session) continue;
    const bool is_own = call->second.device == client.device;
    const Mutations& mutations = world_.options().mutations;
    if (!(is_own ? mutations.edge_takes_any_answer : mutations.edge_takes_anyones_answer)) continue;
    ReportCall(call->second.link, {.kind = CallReport::Kind::kAnswer,
                                   .device_status = topic.status,
                                   .call_id = *call_id,
                                   .epoch = call->second.epoch,
                                   .payload = std::string(publish->payload)});
  }
}

LinkIndex SimEdge::PickLink(std::string_view device_id) {
  const size_t first = HashOf(device_id) % links_.size();
  for (size_t i = 0; i < links_.size(); ++i) {
    const size_t index = (first + i) % links_.size();
    if (links_[index]->is_attached) return static_cast<LinkIndex>(index);
  }
  return mqtt_edge::kNoLink;
}

void SimEdge::OpenSession(LinkIndex link, const mqtt_edge::OpenRequest& request) {
  links_[static_cast<size_t>(link)]->frame.opens.push_back(
      {current_->session, std::string(request.device_id), request.clean_session});
}

void SimEdge::ChangeSubscriptions(LinkIndex link, mqtt_edge::Subscriptions subscriptions, bool durable, uint32_t) {
  links_[static_cast<size_t>(link)]->frame.subscriptions.push_back(
      {current_->session, current_->protocol->device_id(), current_->protocol->epoch(), subscriptions, durable});
}

void SimEdge::AbandonOpen(LinkIndex link, std::string_view device_id) {
  abandoned_[current_->session] = {static_cast<size_t>(link), std::string(device_id)};
}

void SimEdge::CloseSession(std::string_view device_id, int64_t epoch, std::optional<uint32_t>) {
  for (size_t link = 0; link < links_.size(); ++link) CloseAt(link, current_->session, device_id, epoch);
}

void SimEdge::CloseAt(size_t link, uint64_t session, std::string_view device_id, int64_t epoch) {
  Link& to = *links_[link];
  const absl::Duration now = clock().Monotonic();
  while (!to.closed.empty() && now - to.closed.front().first > kClosedKept) to.closed.pop_front();
  to.closed.push_back({now, {session, std::string(device_id), epoch}});
  if (to.is_attached) to.frame.closed.push_back(to.closed.back().second);
}

void SimEdge::ReportCall(LinkIndex link, CallReport report) {
  if (report.kind == CallReport::Kind::kSent) {
    const int64_t job = current_->job_of_call.at(report.call_id);
    world_.OnWritten(job, current_->device, report.call_id, current_->connection);
  }
  if (report.kind == CallReport::Kind::kConnectionLost && world_.options().mutations.edge_takes_any_answer) return;
  const bool is_answer = report.kind == CallReport::Kind::kAnswer;
  if (is_answer && world_.options().mutations.edge_drops_answers && report.call_id % 8 == 0) return;
  if (is_answer && world_.options().mutations.edge_invents_answers && report.call_id % 8 == 0) report.payload = "{}";
  if (link == mqtt_edge::kNoLink) return;
  links_[static_cast<size_t>(link)]->gathered.push_back(std::move(report));
}

}  // namespace fleetcast::sim
